"""What happens to a process that was stopped at a step of its own."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.scene import Scene
from tests.faults.wire import Stop


@dataclass(frozen=True, kw_only=True)
class Act:
    """What is done while a process stands at a step; everything is to be healed after it."""

    #: goes after the name of the step
    name: str
    #: whether the step was carried out, and only its sender has not heard so
    after: bool
    strike: Callable[[Scene, str, Stop], None]


def _kill(scene: Scene, wire: str, stop: Stop) -> None:
    scene.near_end(wire).kill()
    scene.world.wire(wire).hang_up(stop)


def _cut(scene: Scene, wire: str, stop: Stop) -> None:
    scene.world.wire(wire).hang_up(stop)


def _kill_database(scene: Scene, wire: str, stop: Stop) -> None:
    scene.world.postgres.kill()
    scene.world.wire(wire).hang_up(stop)


def _kill_broker(scene: Scene, wire: str, stop: Stop) -> None:
    scene.world.broker.kill()
    scene.world.wire(wire).hang_up(stop)


def _leave_open(scene: Scene, wire: str, stop: Stop) -> None:
    """Let the next process come while the killed one's transaction is open."""
    process = scene.world.near_end(wire)
    process.kill()
    starter = threading.Thread(target=process.start, daemon=True)
    starter.start()
    time.sleep(scene.dice.uniform(0.5, 1.5))
    scene.world.wire(wire).hang_up(stop)
    starter.join()


def _stand_still(scene: Scene, wire: str, stop: Stop) -> None:
    """Let the process stand still while its connection ends, and go on as if nothing had been."""
    process = scene.world.near_end(wire)
    os.kill(process.pid, signal.SIGSTOP)
    scene.world.wire(wire).hang_up(stop)
    time.sleep(scene.dice.uniform(0.5, 1.5))
    os.kill(process.pid, signal.SIGCONT)


ACTS: dict[str, Act] = {
    "k": Act(name="killed before", after=False, strike=_kill),
    "K": Act(name="killed after", after=True, strike=_kill),
    "c": Act(name="connection lost before", after=False, strike=_cut),
    "C": Act(name="connection lost after", after=True, strike=_cut),
    "d": Act(name="database killed before", after=False, strike=_kill_database),
    "D": Act(name="database killed after", after=True, strike=_kill_database),
    "b": Act(name="broker killed before", after=False, strike=_kill_broker),
    "o": Act(name="killed, its transaction left open", after=False, strike=_leave_open),
    "s": Act(name="stands still while its connection ends", after=False, strike=_stand_still),
}
"""By the letter that the list of states calls each by."""


def meanwhile(name: str, work: Callable[[Scene], None], *, after: bool = False) -> Act:
    """Make an act in which something else happens, and then the process goes on."""

    def strike(scene: Scene, wire: str, stop: Stop) -> None:
        work(scene)
        scene.world.wire(wire).let_go(stop)

    return Act(name=name, after=after, strike=strike)
