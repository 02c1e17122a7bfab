"""A scale as plates of meters and transformers state it, with the channel's unit checked."""

from __future__ import annotations

import pytest

from services.core.facility.file import FacilityFileError, parse

_FILE = """
facility: {{id: mill, name: Mill, timezone: UTC}}
devices:
  - id: m
    channels:
      - {{id: c, quantity: {quantity}, unit: {unit}, kind: counter, scale: {scale}}}
"""


def _parsed(scale: str, unit: str = "kWh", quantity: str = "energy") -> object:
    file = parse(_FILE.format(scale=scale, unit=unit, quantity=quantity))
    return file.devices[0].channels[0].scale


@pytest.mark.vector
@pytest.mark.parametrize(
    ("scale", "unit", "worth"),
    [
        ("40", "kWh", 40.0),
        ("'1e-3'", "kWh", 0.001),
        ("200/5", "kWh", 40.0),
        ("200:5", "kWh", 40.0),
        ("200 A / 5 A", "kWh", 40.0),
        ("200/5 A", "kWh", 40.0),
        ("2 kA/5 A", "kWh", 400.0),
        ("20 kV/100 V", "kWh", 200.0),
        ("200/5 * 20000/100", "kWh", 8000.0),
        ("40 x 200", "kWh", 8000.0),
        ("1000 imp/kWh", "kWh", 0.001),
        ("1000 imp/kWh", "Wh", 1.0),
        ("1000 pulses per kWh", "MWh", 1e-6),
        ("75 rev/kWh", "kWh", 1 / 75),
        ("10 Wh/imp", "kWh", 0.01),
        ("200/5 * 1000 imp/kWh", "kWh", 0.04),
        ("1000 imp/kWh * 40", "kWh", 0.04),
    ],
)
def test_what_a_plate_says_is_understood(scale: str, unit: str, worth: float) -> None:
    assert _parsed(scale, unit) == worth


@pytest.mark.parametrize(
    ("scale", "worth"), [("0.01 m3/imp", 0.01), ("1 imp = 10 l", 0.01), ("100 imp/m3", 0.01)]
)
def test_pulses_of_gas_and_water(scale: str, worth: float) -> None:
    assert _parsed(scale, "m3", "volume") == worth


@pytest.mark.parametrize(
    ("scale", "says"),
    [
        ("100 imp/m3", "does not fit the channel's unit kWh"),
        ("1000 imp/kwh", "did you mean kWh?"),
        ("1000 imp", "a ratio such as 200/5"),
        ("1000/kWh", "a ratio such as 200/5"),
        ("200/0", "a ratio such as 200/5"),
        ("200/5/2", "a ratio such as 200/5"),
        ("'1,000 imp/kWh'", "such as 1000 imp/kWh"),
        ("200 A/5 V", "its sides are of one kind"),
        ("10 imp/kWh * 10 imp/kWh", "says twice what a pulse is worth"),
        ("2026-03-01", "2026-03-01 is not a number"),
        ("forty", "write a number, a ratio such as 200/5"),
        ("''", "write a number"),
        ("9*" * 60 + "9", "write a number"),
        ("99999999999999999999*99999999999999999999", "makes no sense here"),
    ],
)
def test_what_is_no_scale_is_told_what_to_write(scale: str, says: str) -> None:
    with pytest.raises(FacilityFileError) as refused:
        _parsed(scale)
    (problem,) = refused.value.problems
    assert says in problem.message
    assert problem.message.startswith("device m, channel c, scale: ")
    assert problem.line == 6


def test_each_of_several_scales_is_read_in_the_channels_unit() -> None:
    dated = "[{value: 1000 imp/kWh}, {from: 2026-06-01, value: 200/5 * 10 imp/kWh}]"
    file = parse(_FILE.format(scale=dated, unit="Wh", quantity="energy"))
    scales = file.devices[0].channels[0].scale
    assert isinstance(scales, tuple)
    assert [scale.value for scale in scales] == [1.0, 4000.0]
    with pytest.raises(FacilityFileError, match="scale, entry 1, value: '10 imp/m3' does not fit"):
        _parsed("[{value: 10 imp/m3}]")


def test_an_unknown_unit_of_the_channel_is_said_there_alone() -> None:
    with pytest.raises(FacilityFileError) as refused:
        _parsed("1000 imp/kWh", "kWhh")
    (problem,) = refused.value.problems
    assert "unknown unit 'kWhh'" in problem.message
