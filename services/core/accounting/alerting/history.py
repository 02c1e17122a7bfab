"""What evaluating minutes again makes of a history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.core.accounting.alerting.states import Transition


@dataclass(frozen=True, kw_only=True, slots=True)
class Revised:
    """How a history changed."""

    #: transitions of the old history that did not happen after all
    retracted: list[Transition]
    added: list[Transition]


def revise(before: Iterable[Transition], now: Iterable[Transition]) -> Revised:
    """Compare the transitions of the same minutes; those in both stay as they were."""
    old = {(transition.threshold, transition.minute): transition for transition in before}
    new = {(transition.threshold, transition.minute): transition for transition in now}
    return Revised(
        retracted=[transition for key, transition in old.items() if new.get(key) != transition],
        added=[transition for key, transition in new.items() if old.get(key) != transition],
    )
