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
    old = {(each.threshold, each.minute): each for each in before}
    new = {(each.threshold, each.minute): each for each in now}
    return Revised(
        retracted=[each for key, each in old.items() if new.get(key) != each],
        added=[each for key, each in new.items() if old.get(key) != each],
    )
