"""What goes wrong on many machines: kills, pauses, partitions and clocks that jump."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.cluster.machine import Machine
from tests.faults.cluster_world import ClusterWorld

Pick = Callable[[ClusterWorld], Machine]

#: Seconds that a fault lasts: in most rounds too short for another database to take over, in some
#: longer than that takes.
_SHORT: Final = (0.5, 4.0)
_LONG: Final = (12.0, 16.0)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong; ``ClusterWorld.heal`` undoes it."""

    name: str
    strike: Callable[[ClusterWorld], None]
    #: whether it may last until another database is the primary
    may_be_long: bool = False


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One fault of a round, when it comes and how long it lasts, in seconds."""

    fault: Fault
    after_s: float
    lasts_s: float


_STORE: Final[dict[str, Pick]] = {
    "primary": lambda world: world.primary,
    "standby": lambda world: world.standby,
    "third": lambda world: world.cluster.storing[2],
}
_WORK: Final[dict[str, Pick]] = {
    "first worker": lambda world: world.cluster.working[0],
    "second worker": lambda world: world.cluster.working[1],
}
_MACHINES: Final[dict[str, Pick]] = {
    **_STORE,
    **_WORK,
    "NATS leader": lambda world: world.broker_leader,
}


def _kill_program(pick: Pick, name: str) -> Callable[[ClusterWorld], None]:
    return lambda world: pick(world).program(name).kill()


def _signal_program(
    pick: Pick, name: str, number: signal.Signals
) -> Callable[[ClusterWorld], None]:
    return lambda world: pick(world).program(name).signal(number)


def _kill_database(pick: Pick) -> Callable[[ClusterWorld], None]:
    def strike(world: ClusterWorld) -> None:
        process = world.database_process(pick(world))
        if process is not None:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    return strike


def _pause_database(pick: Pick) -> Callable[[ClusterWorld], None]:
    """Stop the database's processes and let Patroni beside them go on."""

    def strike(world: ClusterWorld) -> None:
        machine = pick(world)
        others = {program.pid for program in machine.programs if program.running}
        for process in list(machine.processes()):
            if process not in others and _is_database(process):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGSTOP)

    return strike


def _is_database(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip() == "postgres"
    except OSError:
        return False


def _cut(
    pick: Pick, others: Callable[[ClusterWorld], list[Machine]] | None = None
) -> Callable[[ClusterWorld], None]:
    return lambda world: pick(world).cut_from(None if others is None else others(world))


def _jump(pick: Pick, offset: str) -> Callable[[ClusterWorld], None]:
    return lambda world: world.jump(pick(world), offset)


def _kill_all(picks: Callable[[ClusterWorld], list[Machine]]) -> Callable[[ClusterWorld], None]:
    def strike(world: ClusterWorld) -> None:
        for machine in picks(world):
            machine.kill()

    return strike


def _switch_over(world: ClusterWorld) -> None:
    """Stop the primary's Patroni in order: it hands over before it ends."""
    world.primary.program("patroni").signal(signal.SIGTERM)


_KILLS: Final = (
    *(
        Fault(name=f"kill -9 {service} of {name}", strike=_kill_program(pick, service))
        for name, pick in _WORK.items()
        for service in ("ingest", "aggregate", "notify", "api")
    ),
    Fault(name="kill -9 NATS leader", strike=_kill_program(_MACHINES["NATS leader"], "nats")),
    Fault(name="kill -9 NATS of third", strike=_kill_program(_STORE["third"], "nats")),
    Fault(name="kill -9 primary database", strike=_kill_database(_STORE["primary"])),
    Fault(name="kill -9 standby database", strike=_kill_database(_STORE["standby"])),
    Fault(name="kill -9 Patroni of primary", strike=_kill_program(_STORE["primary"], "patroni")),
    Fault(name="kill -9 etcd of primary", strike=_kill_program(_STORE["primary"], "etcd")),
    Fault(name="hand over in order", strike=_switch_over),
    *(
        Fault(
            name=f"kill -9 machine of {name}",
            strike=_kill_all(lambda w, p=pick: [p(w)]),
            may_be_long=name == "primary",
        )  # type: ignore[misc]
        for name, pick in {**_STORE, **_WORK}.items()
    ),
    Fault(
        name="kill -9 two machines that store",
        strike=_kill_all(lambda world: [world.primary, world.cluster.storing[2]]),
    ),
    Fault(
        name="kill -9 every machine that stores",
        strike=_kill_all(lambda world: world.cluster.storing),
    ),
)
_PAUSES: Final = (
    *(
        Fault(
            name=f"pause {service} of first worker",
            strike=_signal_program(_WORK["first worker"], service, signal.SIGSTOP),
        )
        for service in ("ingest", "aggregate")
    ),
    Fault(
        name="pause NATS leader",
        strike=_signal_program(_MACHINES["NATS leader"], "nats", signal.SIGSTOP),
    ),
    Fault(
        name="pause primary database",
        strike=_pause_database(_STORE["primary"]),
        may_be_long=True,
    ),
    Fault(
        name="pause machine of primary",
        strike=lambda world: world.primary.signal(signal.SIGSTOP),
        may_be_long=True,
    ),
    Fault(
        name="pause machine of standby",
        strike=lambda world: world.standby.signal(signal.SIGSTOP),
    ),
)
_PARTITIONS: Final = (
    *(
        Fault(name=f"cut off {name}", strike=_cut(pick), may_be_long=name == "primary")
        for name, pick in _MACHINES.items()
    ),
    Fault(
        name="cut primary from standby",
        strike=_cut(_STORE["primary"], lambda world: [world.standby]),
    ),
    Fault(
        name="cut primary from the others that store",
        strike=_cut(
            _STORE["primary"],
            lambda world: [m for m in world.cluster.storing if m is not world.primary],
        ),
        may_be_long=True,
    ),
    Fault(
        name="cut workers from primary",
        strike=_cut(_STORE["primary"], lambda world: world.cluster.working),
    ),
    Fault(
        name="cut first worker from NATS leader",
        strike=_cut(_WORK["first worker"], lambda world: [world.broker_leader]),
    ),
)
_CLOCKS: Final = tuple(
    Fault(name=f"clock of {name} jumps by {offset}", strike=_jump(pick, offset))
    for name, pick in (("primary", _STORE["primary"]), *_WORK.items())
    for offset in ("+90s", "-90s", "+3h", "-3h")
)

FAULTS: Final = (*_KILLS, *_PAUSES, *_PARTITIONS)
"""What may happen in any round."""


def planned(seed: int, number: int, *, clocks: bool) -> tuple[list[Planned], random.Random]:
    """The faults of a round; the same for the same seed and number.

    Each in its turn, in every third round another one beside it. Where clocks can be made to jump,
    one does in every round.
    """
    dice = random.Random(f"cluster/{seed}/{number}")
    possible = _CLOCKS if clocks else FAULTS
    chosen = [possible[number % len(possible)]]
    if dice.random() < 1 / 3:
        chosen.append(dice.choice([fault for fault in FAULTS if fault is not chosen[0]]))
    plan = []
    for fault in chosen:
        long = fault.may_be_long and dice.random() < 1 / 3
        lasts_s = dice.uniform(*(_LONG if long else _SHORT))
        plan.append(Planned(fault=fault, after_s=dice.uniform(0.2, 1.0), lasts_s=lasts_s))
    return plan, dice


def strike(world: ClusterWorld, plan: list[Planned]) -> None:
    """Let the faults come one upon the other and last; the world is still to be healed."""
    until = time.monotonic()
    for planned_fault in plan:
        time.sleep(planned_fault.after_s)
        planned_fault.fault.strike(world)
        until = max(until, time.monotonic() + planned_fault.lasts_s)
    time.sleep(max(0.0, until - time.monotonic()))
