"""From verdicts to states and transitions: a fold over minutes of data time.

A history depends on the verdicts alone. Folding on from any minute, from the state in which its
history says it was then, gives what folding everything again would: the order in which data came,
how it was batched, and restarts leave no trace. ``since`` of a state is the first minute of what
led to it.

No data is neither zero nor clear: a threshold that fires goes on firing without data, and one that
is pending begins again after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.alerting.verdicts import BEYOND, CLEAR, UNKNOWN, Verdicts

INACTIVE, PENDING, FIRING, FIRING_NO_DATA, RESOLVED, NO_DATA = range(6)

#: As the database and the API say it, by state.
NAMES = ("inactive", "pending", "firing", "firing-no-data", "resolved", "no-data")

Minutes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Transition:
    """A threshold's change of state."""

    #: index of the threshold
    threshold: int
    minute: int
    state: int
    #: fires because its limit will be passed at the present rate
    projected: bool
    since: int

    @property
    def is_open(self) -> bool:
        """Return whether there is an alert from then on."""
        return self.state in {FIRING, FIRING_NO_DATA}


@dataclass(kw_only=True, slots=True)
class States:
    """The state of each threshold, changed in place as minutes are evaluated."""

    state: NDArray[np.int8]
    projected: NDArray[np.bool_]
    since: Minutes

    @classmethod
    def inactive(cls, count: int) -> States:
        """Return the states of thresholds to which nothing has happened yet."""
        return cls(
            state=np.zeros(count, dtype=np.int8),
            projected=np.zeros(count, dtype=bool),
            since=np.zeros(count, dtype=np.int64),
        )

    def put(self, transition: Transition) -> None:
        """Set the state that a transition leads to."""
        self.state[transition.threshold] = transition.state
        self.projected[transition.threshold] = transition.projected
        self.since[transition.threshold] = transition.since


def fold(
    states: States,
    *,
    verdicts: Verdicts,
    ahead: Verdicts,
    first_minute: int,
    lasts: Minutes,
    begins: Minutes,
) -> list[Transition]:
    """Evaluate consecutive minutes from ``first_minute`` on; return the transitions, by minute.

    ``verdicts`` of the values, ``ahead`` of what the windows will end with (CLEAR where nothing is
    projected), both (thresholds, minutes). ``lasts``: minutes that it must last before it fires.
    ``begins``: the minute in which each threshold came into force.
    """
    transitions: list[Transition] = []
    count = verdicts.shape[1]
    if count == 0 or verdicts.shape[0] == 0:
        return transitions
    interesting = _columns_that_differ(verdicts, ahead, begins - first_minute)
    column = 0
    while column < count:
        minute = first_minute + column
        active = begins <= minute
        transitions += _step(states, verdicts[:, column], ahead[:, column], minute, lasts, active)
        # between two columns that differ nothing happens but that time runs out
        waiting = (states.state == PENDING) & active
        expires = np.min(states.since[waiting] + lasts[waiting], initial=np.iinfo(np.int64).max)
        upcoming = interesting[np.searchsorted(interesting, column, side="right") :]
        at_change = int(upcoming[0]) if upcoming.size else count
        column = max(column + 1, min(at_change, int(expires) - first_minute))
    return transitions


def _columns_that_differ(verdicts: Verdicts, ahead: Verdicts, begins: Minutes) -> Minutes:
    differs = np.zeros(verdicts.shape[1], dtype=bool)
    differs[1:] = ((verdicts[:, 1:] != verdicts[:, :-1]) | (ahead[:, 1:] != ahead[:, :-1])).any(
        axis=0
    )
    inside = begins[(begins > 0) & (begins < differs.size)]
    differs[inside] = True
    # a state that a verdict leads to may lead on at the next minute
    differs[1:] |= differs[:-1].copy()
    differs[:2] = True
    return np.flatnonzero(differs)


def _step(
    states: States,
    verdict: NDArray[np.int8],
    ahead: NDArray[np.int8],
    minute: int,
    lasts: Minutes,
    active: NDArray[np.bool_],
) -> list[Transition]:
    before, was_projected = states.state, states.projected
    is_open = (before == FIRING) | (before == FIRING_NO_DATA)
    raised = (verdict == BEYOND) | (ahead == BEYOND)
    unknown = verdict == UNKNOWN
    # an alert goes on, or ends
    over = np.where(was_projected, (ahead == CLEAR) & (verdict != BEYOND), verdict == CLEAR)
    open_state = np.where(unknown, FIRING_NO_DATA, np.where(over, RESOLVED, FIRING))
    # or there is none yet
    since = np.where(before == PENDING, states.since, minute)
    begun = np.where(minute - since >= lasts, FIRING, PENDING)
    quiet = np.where(before == RESOLVED, RESOLVED, INACTIVE)
    waiting = np.where(raised, begun, np.where(unknown, NO_DATA, quiet))
    after = np.where(active, np.where(is_open, open_state, waiting), before).astype(np.int8)
    now_open = (after == FIRING) | (after == FIRING_NO_DATA)
    projected = np.where(is_open, was_projected & (verdict != BEYOND), verdict != BEYOND) & now_open
    projected = np.where(active, projected, was_projected)
    changed = np.flatnonzero((after != before) | (projected != was_projected))
    states.since[changed] = np.where(
        (is_open & now_open)[changed], states.since[changed], since[changed]
    )
    states.state, states.projected = after, projected
    return [
        Transition(
            threshold=int(i),
            minute=minute,
            state=int(after[i]),
            projected=bool(projected[i]),
            since=int(states.since[i]),
        )
        for i in changed
    ]
