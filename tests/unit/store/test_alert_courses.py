"""Which changes of a threshold leave the value of an alert what it was."""

from __future__ import annotations

from typing import Any

import pytest

from services.core.store.alerts.courses import _watches_the_same

RATE = {"measure": "rate", "source": "stack", "above": 500.0, "severity": "warning"}
GAS = {"measure": "value", "channel": "cems.nox", "above": 200.0, "confidence_interval": 20.0}


@pytest.mark.parametrize(
    ("then", "change", "same"),
    [
        (RATE, {"above": 600.0, "severity": "critical", "for": 60.0, "message": "x"}, True),
        (RATE, {"source": "boiler"}, False),
        (RATE, {"figure": "co2e"}, False),
        # what is taken off is a share of the limit
        (GAS, {"above": 150.0}, False),
        (GAS, {"severity": "critical"}, True),
        (GAS, {"confidence_interval": None}, False),
    ],
)
def test_a_course_is_told_where_its_value_is_still_the_same(
    then: dict[str, Any], change: dict[str, Any], same: bool
) -> None:
    assert _watches_the_same({"spec": then, "present_spec": then | change}) is same
