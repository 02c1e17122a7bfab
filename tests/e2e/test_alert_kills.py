"""A short run of the rounds in which whoever tells alerts is killed; `make faults` plays more."""

from __future__ import annotations

import pytest

from tests.e2e.stack import Stack
from tests.faults.alert_rounds import STEPS, play
from tests.faults.alerts import kilns_on

pytestmark = [pytest.mark.database, pytest.mark.broker, pytest.mark.timeout(600)]

#: where judging writes last, at its COMMIT both ways, while a message is under way, and after that
_PLAYED = (
    "aggregator: fills the outbox, lost",
    "aggregator: COMMIT, lost",
    "aggregator: COMMIT, carried out",
    "notifier: sends",
    "notifier: marks what was sent, lost",
    "notifier: COMMIT of the mark, carried out",
)


def test_every_breach_is_told_and_its_end_after_it_whoever_is_killed(stack: Stack) -> None:
    numbers = [i for i, step in enumerate(STEPS) if step.name in _PLAYED]
    assert len(numbers) == len(_PLAYED)
    with kilns_on(stack, rounds=len(STEPS)) as kilns:
        for number in numbers:
            played = play(kilns, 1, number)
            assert played.passed, played
        assert kilns.compare().twice > 0, "what was sent and not marked is sent again"
