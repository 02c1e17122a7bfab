"""What of a stack's CO2 is from biomass: stated from days on, or measured."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.accounting.series import MinuteSeries
from services.core.accounting.stack.biogenic import BIOGENIC, BiogenicShare
from services.core.accounting.units import conversion
from services.core.facility import assemble, model

_FRACTION = {"quantity": "fraction", "unit": "%", "kind": "gauge", "basis": "wet"}


def series(values: list[float], covered_us: int = 60_000_000) -> MinuteSeries:
    return MinuteSeries(
        first_minute=0,
        value=np.array(values),
        covered_us=np.full(len(values), covered_us),
        estimated_us=np.zeros(len(values), dtype=np.int64),
        is_rate=True,
    )


def test_a_stated_share_holds_from_its_minute_on() -> None:
    share = BiogenicShare(stated=((10, 0.25), (20, 0.5)))
    assert share.stated_at(np.array([9, 10, 19, 20, 99])).tolist() == [0, 0.25, 0.25, 0.5, 0.5]


def test_what_is_no_share_is_not_known() -> None:
    share = BiogenicShare(to_ratio=conversion("%", "1"))
    found, known = share.shares_at({BIOGENIC: series([40.0, 103.0, -1.0])}, np.arange(3))
    assert found.tolist() == pytest.approx([0.4, 0.0, 0.0])
    assert known.tolist() == [True, False, False]


def test_fossil_and_biogenic_are_the_whole_and_unknown_is_fossil() -> None:
    source = model.StackSource.stated(
        {
            "id": "kiln", "scope": 1, "method": "stack", "equation": "F-11",
            "inputs": {"co2": "cems.co2", "flow": "cems.flow"},
            "biogenic": {"channel": "lab.share"},
        }
    )  # fmt: skip
    channels = {
        "co2": model.Channel.model_validate({"id": "co2", **_FRACTION}),
        "flow": model.Channel.model_validate(
            {
                "id": "flow", "quantity": "volume_flow", "unit": "scf/h", "kind": "gauge",
                "basis": "wet",
            }
        ),
        "biogenic": model.Channel.model_validate({"id": "share", **_FRACTION}),
    }  # fmt: skip
    method = assemble.stack_method(source, channels)
    inputs = {"co2": series([10.0, 10.0]), "flow": series([1e5, 1e5])}
    shares = series([30.0, 30.0])
    shares.covered_us[1] = 0
    masses = method.masses({**inputs, "biogenic": shares}, np.arange(2))
    whole = 5.7e-7 * 10 * 1e5 * 907.18474 / 60
    assert masses.co2_kg.tolist() == pytest.approx([0.7 * whole, whole])
    assert masses.co2_biogenic_kg.tolist() == pytest.approx([0.3 * whole, 0.0])
    assert masses.co2e_kg.tolist() == masses.co2_kg.tolist()
    assert masses.estimated_us.tolist() == [0, 60_000_000]
    shares.estimated_us[0] = 20_000_000
    masses = method.masses({**inputs, "biogenic": shares}, np.arange(2))
    assert masses.estimated_us.tolist() == [20_000_000, 60_000_000]


@pytest.mark.parametrize(
    ("biogenic", "words"),
    [
        ({}, "either a channel or shares"),
        ({"channel": "lab.share", "shares": [{"share": 1, "citation": "a"}]}, "either a channel"),
        ({"shares": [{"share": 101, "citation": "a"}]}, "between 0 and 100"),
        (
            {"shares": [{"share": 1, "citation": "a"}, {"share": 2, "citation": "b"}]},
            "from the same day",
        ),
    ],
)
def test_a_share_is_told_once(biogenic: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        model.StackSource.stated(
            {
                "id": "kiln", "scope": 1, "method": "stack", "equation": "F-11",
                "inputs": {"co2": "cems.co2", "flow": "cems.flow"}, "biogenic": biogenic,
            }
        )  # fmt: skip
