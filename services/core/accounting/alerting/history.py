"""What judging minutes again makes of a history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.core.accounting.alerting.states import Transition


@dataclass(frozen=True, kw_only=True, slots=True)
class Revised:
    """How a history changed."""

    #: of the old one, what did not happen after all
    undone: list[Transition]
    added: list[Transition]


def revise(before: Iterable[Transition], now: Iterable[Transition]) -> Revised:
    """Compare the transitions of the same minutes; what is in both stays as it was."""
    old = {(each.threshold, each.minute): each for each in before}
    new = {(each.threshold, each.minute): each for each in now}
    return Revised(
        undone=[each for key, each in old.items() if new.get(key) != each],
        added=[each for key, each in new.items() if old.get(key) != each],
    )
