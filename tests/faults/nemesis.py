"""The faults: what each does to the world, and how long it may last."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import nats.errors

from tests.contract.ingest.broker_damage import delete_consumers, divert_consumers, keep_stream
from tests.faults.proxy import Proxy
from tests.faults.world import Disk, World
from tests.services import Nats, Server


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong; ``World.heal`` undoes what does not undo itself."""

    name: str
    strike: Callable[[World], None]
    #: undoes what healing does not: a stopped process has to go on before it can be killed
    relent: Callable[[World], None] = lambda _world: None


def _kill(pick: Callable[[World], Server]) -> Callable[[World], None]:
    return lambda world: pick(world).kill()


def _restart_database(world: World) -> None:
    # a process that another fault has stopped hears nothing
    _signal(_PROCESSES["database"], signal.SIGCONT)(world)
    world.postgres.stop()
    # without room for its lock file it is started when the disk is healed
    if not world.database_disk.full:
        world.postgres.start()


def _signal(pick: Callable[[World], Server], number: signal.Signals) -> Callable[[World], None]:
    def send(world: World) -> None:
        server = pick(world)
        if server.running:
            os.kill(server.pid, number)

    return send


def _proxy(pick: Callable[[World], Proxy], what: str) -> Callable[[World], None]:
    return lambda world: getattr(pick(world), what)()


def _damage(harm: Callable[[Nats], None]) -> Callable[[World], None]:
    """Harm ingest's consumers; another one wants the messages, or NATS would throw them away."""

    def strike(world: World) -> None:
        # a broker that another fault has stopped or killed is harmed by nobody
        with suppress(OSError, nats.errors.Error, TimeoutError):
            keep_stream(world.broker)
            harm(world.broker)

    return strike


def _fill(pick: Callable[[World], Disk]) -> Callable[[World], None]:
    return lambda world: pick(world).fill()


_PROCESSES: dict[str, Callable[[World], Server]] = {
    "ingest": lambda world: world.ingest,
    "aggregator": lambda world: world.aggregator,
    "broker": lambda world: world.broker,
    "database": lambda world: world.postgres,
}
_LINKS: dict[str, Callable[[World], Proxy]] = {
    "ingest to broker": lambda world: world.to_broker,
    "ingest to database": lambda world: world.ingest_to_database,
    "aggregator to database": lambda world: world.aggregator_to_database,
}
_DISKS: dict[str, Callable[[World], Disk]] = {
    "database": lambda world: world.database_disk,
    "broker": lambda world: world.broker_disk,
}

FAULTS: tuple[Fault, ...] = (
    *(Fault(name=f"kill -9 {name}", strike=_kill(pick)) for name, pick in _PROCESSES.items()),
    *(
        Fault(
            name=f"stop and continue {name}",
            strike=_signal(pick, signal.SIGSTOP),
            relent=_signal(pick, signal.SIGCONT),
        )
        for name, pick in _PROCESSES.items()
    ),
    Fault(name="restart database", strike=_restart_database),
    Fault(name="change registry", strike=lambda world: world.change_registry()),
    *(Fault(name=f"cut {name}", strike=_proxy(pick, "cut")) for name, pick in _LINKS.items()),
    *(Fault(name=f"stall {name}", strike=_proxy(pick, "stall")) for name, pick in _LINKS.items()),
    *(Fault(name=f"full disk of {name}", strike=_fill(pick)) for name, pick in _DISKS.items()),
    Fault(name="delete consumer", strike=_damage(delete_consumers)),
    Fault(name="divert consumer", strike=_damage(divert_consumers)),
)
"""Every fault a round may pick."""


def strike(world: World, faults: tuple[Fault, ...], pauses_s: tuple[float, ...]) -> None:
    """Let the faults come one upon the other, each after its pause, and end the last one."""
    for fault, pause_s in zip(faults, pauses_s, strict=False):
        time.sleep(pause_s)
        fault.strike(world)
    time.sleep(pauses_s[len(faults)])
    for fault in faults:
        fault.relent(world)
