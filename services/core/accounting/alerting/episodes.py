"""From transitions to alerts, and from the alerts known before to those of now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.core.accounting.alerting.states import Transition

Key = TypeVar("Key")


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """A period in which a threshold fired: one alert."""

    #: the transitions from firing to the last one before it resolved
    transitions: tuple[Transition, ...]
    #: None: it has not ended
    resolved: int | None

    @property
    def started(self) -> int:
        """Return the first minute of what led to it."""
        return self.transitions[0].since

    @property
    def fired(self) -> int:
        """Return the minute in which it had lasted long enough."""
        return self.transitions[0].minute

    @property
    def newest(self) -> Transition:
        """Return the newest transition, or the last one before it resolved."""
        return self.transitions[-1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Known(Generic[Key]):
    """An alert as it was known."""

    key: Key
    fired: int
    resolved: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconciled(Generic[Key]):
    """What became of alerts when data changed."""

    same: list[tuple[Known[Key], Episode]]
    new: list[Episode]
    #: alerts that did not happen after all
    retracted: list[Known[Key]]


def episodes(history: Iterable[Transition]) -> list[Episode]:
    """Return the alerts of one threshold's history, oldest first."""
    alerts: list[Episode] = []
    running: list[Transition] = []
    for transition in history:
        if transition.is_open:
            running.append(transition)
        elif running:
            alerts.append(Episode(transitions=tuple(running), resolved=transition.minute))
            running = []
    if running:
        alerts.append(Episode(transitions=tuple(running), resolved=None))
    return alerts


def reconcile(known: Sequence[Known[Key]], now: Sequence[Episode]) -> Reconciled[Key]:
    """Match episodes with known alerts: one that overlaps is the same, each at most once.

    Both are given oldest first.
    """
    left = list(known)
    same: list[tuple[Known[Key], Episode]] = []
    new: list[Episode] = []
    for episode in now:
        match = next((alert for alert in left if _overlap(alert, episode)), None)
        if match is None:
            new.append(episode)
        else:
            left.remove(match)
            same.append((match, episode))
    return Reconciled(same=same, new=new, retracted=left)


def _overlap(known: Known[Key], episode: Episode) -> bool:
    ends = [end for end in (known.resolved, episode.resolved) if end is not None]
    return not ends or max(known.fired, episode.fired) < min(ends)
