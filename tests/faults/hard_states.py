"""The list of hard states: each is reached by every run of a round for each, or the run fails.

A state is a step that a process takes, as it says it on a wire, and what happens to it there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from tests.faults.acts import ACTS, Act, meanwhile
from tests.faults.scene import Scene
from tests.faults.troubles import TROUBLES, Trouble
from tests.patience import until

Prompt = Callable[[Scene], None]

#: A process that has not come to its step by then does not come.
_COMES_S: Final = 30.0


def nothing(_scene: Scene) -> None:
    """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step in the way of the data."""

    #: where in the way of the data
    place: str
    name: str
    wire: str
    #: of what is said there
    pattern: str
    #: what lets a process come there
    prompt: Prompt
    #: what must have been before
    before: Prompt = nothing
    #: what has to hold in the end, beside what always has to
    check: Prompt = nothing


@dataclass(frozen=True, kw_only=True)
class State:
    """A step, and what happens at it."""

    step: Step
    act: Act

    @property
    def name(self) -> str:
        """As the table has it."""
        return f"{self.step.name}: {self.act.name}"

    @property
    def place(self) -> str:
        """Where in the way of the data."""
        return self.step.place

    def reach(self, scene: Scene) -> str:
        """Let the process come to its step, and let happen there what is to happen.

        Returns what it was about to say, and after the step the beginning of the answer; empty if
        it never came there.
        """
        step = self.step
        step.before(scene)
        wire = scene.world.wire(step.wire)
        stop = wire.stop_at(step.pattern, after=self.act.after)
        try:
            step.prompt(scene)
            if not stop.reached.wait(_COMES_S):
                return ""
            self.act.strike(scene, step.wire, stop)
        finally:
            wire.let_go(stop)
        said = " ".join(stop.text.split())[:80]
        return said + (f" -> {stop.answer[:40]!r}" if stop.answer else "")

    def check(self, scene: Scene) -> None:
        """Look at what has to hold in the end."""
        self.step.check(scene)


def _late_is_stored(scene: Scene) -> None:
    before = scene.world.readings()
    scene.publish_late()
    until(lambda: scene.world.readings() >= before + 20, "late ones are stored",
          longest_pause_s=0.05)  # fmt: skip


def _late_is_sent(scene: Scene) -> None:
    scene.publish_late()
    time.sleep(0.3)


def _apply_another_factor(scene: Scene) -> None:
    scene.correct_factor()
    time.sleep(0.5)


#: What else happens at a step while its process stands there.
LATE: Final = meanwhile("late readings are stored meanwhile", _late_is_stored)
LATE_SENT: Final = meanwhile("late readings are sent meanwhile", _late_is_sent, after=True)
REGISTRY: Final = meanwhile(
    "another facility file is applied meanwhile", lambda scene: scene.world.change_registry()
)
FACTOR: Final = meanwhile("a factor is corrected meanwhile", _apply_another_factor)
VERIFY: Final = meanwhile("every hour is verified meanwhile", Scene.hours_add_up)
ENDS: Final = meanwhile("the breach ends meanwhile", Scene.calm)
API_DIES: Final = meanwhile(
    "the API is killed meanwhile", lambda scene: scene.world.service("api").kill()
)

INSERT: Final = r"^INSERT INTO reading "
BATCH: Final = r"^COMMIT\n.*INSERT INTO reading "

STEPS: Final[tuple[tuple[str | tuple[Act, ...], Step], ...]] = (
    # -- the broker
    ("kcdsb", Step(
        place="broker", name="ingest acknowledges what it committed (PUBACK)", wire="mqtt",
        pattern="^PUBACK", prompt=Scene.publish)),
    # -- ingest
    ("kcdo", Step(
        place="ingest", name="ingest copies a batch", wire="ingest", pattern="^COPY staged_reading",
        prompt=Scene.publish)),
    ("kKs", Step(
        place="ingest", name="ingest inserts readings", wire="ingest", pattern=INSERT,
        prompt=Scene.publish)),
    ("kC", Step(
        place="ingest", name="ingest names the minutes that changed", wire="ingest",
        pattern="INSERT INTO touched", prompt=Scene.publish)),
    ("kKcCdDo", Step(
        place="ingest", name="ingest commits a batch", wire="ingest", pattern=BATCH,
        prompt=Scene.publish)),
    ((REGISTRY,), Step(
        place="ingest", name="ingest commits a batch", wire="ingest", pattern=BATCH,
        prompt=Scene.publish)),
    ("kC", Step(
        place="ingest", name="ingest inserts late readings of closed hours", wire="ingest",
        pattern=INSERT, before=Scene.settle_closed, prompt=Scene.publish_late)),
    ("kC", Step(
        place="ingest", name="ingest inserts what it has already", wire="ingest", pattern=INSERT,
        before=Scene.settle, prompt=Scene.publish_twice)),
    ("kKC", Step(
        place="ingest", name="ingest commits a message to quarantine", wire="ingest",
        pattern=r"^COMMIT\n.*COPY quarantine", prompt=Scene.refuse)),
    # -- other ways in
    ("kKcCd", Step(
        place="doors", name="ingest commits what came by HTTP", wire="ingest", pattern=BATCH,
        prompt=Scene.post)),
    ((API_DIES,), Step(
        place="doors", name="ingest commits what came by HTTP", wire="ingest", pattern=BATCH,
        prompt=Scene.post)),
    ("kKcCd", Step(
        place="doors", name="tonne import commits a piece", wire="command", pattern=BATCH,
        prompt=Scene.import_file)),
    # -- the aggregator
    ("kKo", Step(
        place="aggregator", name="the aggregator takes a facility", wire="aggregator",
        pattern=r"pg_try_advisory_xact_lock.*tonne\.now", prompt=Scene.publish)),
    ("kKdo", Step(
        place="aggregator", name="the aggregator claims what changed", wire="aggregator",
        pattern="^DELETE FROM touched", prompt=Scene.publish)),
    ("KD", Step(
        place="aggregator", name="the aggregator reads readings", wire="aggregator",
        # alone, or with days that are packed beside it
        pattern=r"^SELECT (?:\( SELECT )?string_agg\(int4send\(\(CASE",
        before=Scene.begin_aggregator, prompt=Scene.publish)),
    ((LATE,), Step(
        place="aggregator", name="the aggregator writes minutes", wire="aggregator",
        pattern=r"INSERT INTO public\.emission_minute", prompt=Scene.publish)),
    ("kKc", Step(
        place="aggregator", name="the aggregator writes minutes", wire="aggregator",
        pattern=r"INSERT INTO public\.emission_minute", prompt=Scene.publish)),
    ("kC", Step(
        place="aggregator", name="the aggregator changes hours", wire="aggregator",
        pattern=r"^WITH d AS \( SELECT source_id, minute_start", prompt=Scene.publish)),
    ("kK", Step(
        place="aggregator", name="the aggregator changes windows", wire="aggregator",
        pattern="^UPDATE rolling_total r", prompt=Scene.publish)),
    ("kc", Step(
        place="aggregator", name="the aggregator raises the version", wire="aggregator",
        pattern="UPDATE facility_progress SET sequence", prompt=Scene.publish)),
    ("kKcCdDos", Step(
        place="aggregator", name="the aggregator commits a tick", wire="aggregator",
        pattern=r"^COMMIT\n.*DELETE FROM touched", prompt=Scene.publish)),
    ((REGISTRY, VERIFY), Step(
        place="aggregator", name="the aggregator commits a tick", wire="aggregator",
        pattern=r"^COMMIT\n.*DELETE FROM touched", prompt=Scene.publish)),
    # -- closing
    ("kKC", Step(
        place="closing", name="the aggregator closes hours", wire="aggregator",
        pattern="^WITH due AS MATERIALIZED", before=Scene.settle, prompt=Scene.let_close,
        check=Scene.hours_are_right)),
    ("kKCD", Step(
        place="closing", name="the aggregator commits closed hours", wire="aggregator",
        pattern=r"^COMMIT\n.*WITH due AS MATERIALIZED", before=Scene.settle,
        prompt=Scene.let_close, check=Scene.hours_are_right)),
    ((LATE,), Step(
        place="closing", name="the aggregator commits closed hours", wire="aggregator",
        pattern=r"^COMMIT\n.*WITH due AS MATERIALIZED", before=Scene.settle,
        prompt=Scene.let_works_close, check=Scene.hours_are_restated)),
    ((FACTOR,), Step(
        place="closing", name="the aggregator commits closed hours", wire="aggregator",
        pattern=r"^COMMIT\n.*WITH due AS MATERIALIZED", before=Scene.settle_hours,
        prompt=Scene.let_close, check=Scene.hours_are_right)),
    ("kKC", Step(
        place="closing", name="the aggregator restates a closed hour", wire="aggregator",
        pattern=r"^COMMIT\n.*DELETE FROM touched", before=Scene.settle_closed,
        prompt=Scene.publish_late, check=Scene.hours_are_restated)),
    # -- factors
    ("kKcCd", Step(
        place="factors", name="tonne apply commits a corrected factor", wire="command",
        pattern=r"^COMMIT\n.*INSERT INTO factor", before=Scene.settle_hours,
        prompt=Scene.correct_factor, check=Scene.hours_are_right)),
    ("kKC", Step(
        place="factors", name="the aggregator commits what a factor restates", wire="aggregator",
        pattern=r"^COMMIT\n.*DELETE FROM recompute", before=Scene.settle_hours,
        prompt=Scene.correct_factor, check=Scene.hours_are_right)),
    # -- packing
    ("kK", Step(
        place="packing", name="the aggregator packs readings", wire="aggregator",
        pattern=r"^SELECT pack_readings\(", before=Scene.settle, prompt=Scene.let_close,
        check=Scene.hours_are_right)),
    ((LATE_SENT,), Step(
        place="packing", name="the aggregator packs readings", wire="aggregator",
        pattern=r"^SELECT pack_readings\(", before=Scene.settle, prompt=Scene.let_close,
        check=Scene.hours_are_right)),
    ("kKC", Step(
        place="packing", name="the aggregator commits packed readings", wire="aggregator",
        pattern=r"^COMMIT\n.*SELECT pack_readings\(", before=Scene.settle, prompt=Scene.let_close,
        check=Scene.hours_are_right)),
    ("kKC", Step(
        place="packing", name="the aggregator commits packed minutes", wire="aggregator",
        pattern=r"^COMMIT\n.*SELECT pack_minutes\(", before=Scene.settle, prompt=Scene.let_close,
        check=Scene.hours_are_right)),
    ("kKC", Step(
        place="packing", name="ingest commits readings into packed days", wire="ingest",
        pattern=r"^COMMIT\n.*SELECT unpack_readings\(", before=Scene.settle_packed,
        prompt=Scene.publish_late, check=Scene.hours_are_right)),
    # -- alerts
    ("kK", Step(
        place="notify", name="the aggregator raises an alert", wire="aggregator",
        pattern=r"^INSERT INTO alert \(", prompt=Scene.breach, check=Scene.alerts_are_right)),
    ("kKCd", Step(
        place="notify", name="the aggregator commits an alert", wire="aggregator",
        pattern=r"^COMMIT\n.*INSERT INTO outbox", prompt=Scene.breach,
        check=Scene.alerts_are_right)),
    ("kC", Step(
        place="notify", name="the aggregator ends an alert", wire="aggregator",
        pattern="^UPDATE alert SET", before=Scene.settle_breach, prompt=Scene.calm,
        check=Scene.alerts_are_right)),
    ("kKc", Step(
        place="notify", name="the notifier takes a recipient", wire="notifier",
        pattern=r"^SELECT pg_try_advisory_lock", before=Scene.begin_notifier, prompt=Scene.breach,
        check=Scene.alerts_are_right)),
    ("kKcCd", Step(
        place="notify", name="the notifier sends a message", wire="webhook", pattern="^POST",
        prompt=Scene.breach, check=Scene.alerts_are_right)),
    ((ENDS,), Step(
        place="notify", name="the notifier sends a message", wire="webhook", pattern="^POST",
        prompt=Scene.breach, check=Scene.alerts_are_right)),
    ("kKcCdDs", Step(
        place="notify", name="the notifier marks a message as delivered", wire="notifier",
        pattern="^UPDATE outbox SET delivered_at", prompt=Scene.breach,
        check=Scene.alerts_are_right)),
    # -- the API
    ("kcCd", Step(
        place="API", name="the API reads what is live", wire="api",
        pattern=r"^WITH f AS \( SELECT f\.id, f\.slug", prompt=Scene.ask)),
    # -- migration
    ("kcd", Step(
        place="migration", name="tonne migrate is in the midst of its changes", wire="command",
        pattern=r"UPDATE alembic_version SET version_num='0056'", prompt=Scene.migrate,
        check=Scene.schema_is_whole)),
    ("kKCd", Step(
        place="migration", name="tonne migrate commits", wire="command",
        pattern=r"^COMMIT\n.*CREATE EXTENSION", prompt=Scene.migrate,
        check=Scene.schema_is_whole)),
)  # fmt: skip


def _states(steps: Iterable[tuple[str | tuple[Act, ...], Step]]) -> tuple[State, ...]:
    return tuple(
        State(step=step, act=ACTS[act] if isinstance(act, str) else act)
        for acts, step in steps
        for act in acts
    )


STATES: Final[tuple[State | Trouble, ...]] = (*_states(STEPS), *TROUBLES)
"""Every state."""
