"""A CSV of factors is refused whole, with every error named by line."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from services.core.accounting.activity import co2_per_unit
from services.core.accounting.factors import HeatContent
from services.core.facility.checks import factor_record
from services.core.facility.factor_file import COLUMNS, read
from services.core.facility.file import FacilityFileError, parse
from services.core.store.registry.factors import figures

NOW = datetime(2026, 11, 25, tzinfo=UTC)
HEAD = "id,unit,co2_kg,valid_from,valid_to,known_at,citation\n"


def problems(text: str) -> list[str]:
    try:
        read(text, NOW)
    except FacilityFileError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_cells_become_versions_and_empty_ones_the_defaults() -> None:
    text = "\ufeff" + HEAD + 'grid-x, kWh ,0.3,2026-01-01,,,"Ministry, 2026"\r\n\r\n'
    (row,) = read(text, NOW)
    assert (row.id, row.unit, row.co2_kg, row.ch4_kg, row.citation) == (
        "grid-x", "kWh", 0.3, 0.0, "Ministry, 2026",
    )  # fmt: skip
    assert (row.valid_from, row.valid_to, row.known_at) == (date(2026, 1, 1), None, None)


def test_every_error_is_told_with_its_line() -> None:
    text = HEAD + (
        "grid-x,kWh,0.3,2026-01-01,2026-01-01,,a\n"
        "Grid,kWh,0.3,,,,a\n"
        "grid-x,kWx,much,,,,a\n"
        "grid-y,kWx,0.3,,,,a\n"
        "grid-z,kWh,0.3,,,2027-01-01,a\n"
        "grid-z,kWh,nan,,,,\n"
        "grid-z,kWh,0.3\n"
    )
    found = problems(text)
    assert [line.split(":")[0] for line in found] == [
        "line 2", "line 3", "line 4", "line 5", "line 6", "line 7", "line 7", "line 8",
    ]  # fmt: skip
    assert "valid_to must come after valid_from" in found[0]
    assert "kWx" in found[3]
    assert "future" in found[4]
    assert "3 cells" in found[7]


def test_two_versions_of_one_time_are_refused_unless_they_were_known_at_different_times() -> None:
    one = "grid-x,kWh,0.3,2026-01-01,,{},a\n"
    two = "grid-x,kWh,0.4,2026-06-01,,{},b\n"
    both = HEAD + one + two
    (found,) = problems(both.format("", ""))
    assert found.startswith("line 3: 'grid-x' has two versions")
    assert found.endswith("line 2")
    assert problems(both.format("2026-02-01", "2026-07-01")) == []


def test_a_header_that_lacks_or_invents_columns_is_refused() -> None:
    assert problems("id,unit,co2,citation\n") == [
        "line 1: the column 'co2_kg' is missing",
        f"line 1: there is no column 'co2'; it takes {', '.join(COLUMNS)}",
    ]
    assert {"id", "unit", "co2_kg", "known_at", "uncertainty", "ch4_origin"} <= set(COLUMNS)
    assert problems("") != []
    assert problems(HEAD) == ["line 1: there is no factor in this file"]
    assert problems(HEAD + '"grid-x,kWh') != []


PROPERTIES = "id,unit,basis,co2_kg,ch4_kg,n2o_kg,gases,heat_content,heat_unit,density,citation\n"


def test_gases_heat_content_and_density_are_those_of_a_facility_file() -> None:
    text = PROPERTIES + (
        "works-gas,GJ,gross,51.4,0.001,0.0001,,39.3,m3,,supplier\n"
        "works-oil,GJ,net,74,,,,42.6,kg,840,supplier\n"
        "leak,kg,,0,,,HFC-32=0.5 HFC-125=0.5,,,,label\n"
    )
    gas, oil, leak = map(factor_record, read(text, NOW))
    assert (gas.co2_kg, gas.ch4_kg, gas.n2o_kg) == (51.4, 0.001, 0.0001)
    assert gas.heat_content == HeatContent(mj=39.3, unit="m3", citation="supplier")
    assert co2_per_unit(gas, "m3").co2_kg == pytest.approx(51.4 * 39.3 / 1000)
    # a litre of oil weighs 0.84 kg
    assert co2_per_unit(oil, "L", density_kg_m3=oil.density_kg_m3).co2_kg == pytest.approx(
        0.84 * 42.6 / 1000 * 74
    )
    assert leak.total_co2e_kg() == pytest.approx((771 + 3740) / 2)
    stated = parse(
        """
facility: {id: works, name: Works, timezone: UTC}
devices: [{id: d, channels: [{id: c, quantity: power, unit: kW, kind: gauge}]}]
factors:
  - {id: works-oil, unit: GJ, basis: net, co2_kg: 74, heat_content: 42.6, heat_unit: kg,
     density: 840, citation: supplier}
  - {id: leak, unit: kg, co2_kg: 0, gases: {HFC-32: 0.5, HFC-125: 0.5}, citation: label}
"""
    )
    assert [figures(factor_record(factor)) for factor in stated.factors] == [
        figures(oil),
        figures(leak),
    ]


def test_properties_that_do_not_fit_are_told_by_line() -> None:
    rows = (
        ("GJ,gross,51,,,,39.3,,,x", "heat_content and heat_unit belong together"),
        ("GJ,,51,,,,39.3,m3,,x", "say which, basis: gross or basis: net"),
        ("kg,,3,,,,39.3,m3,,x", "belongs to a factor by energy, and this one is by kg"),
        ("kWh,,3,,,,,,800,x", "neither unit nor heat_unit is one of them"),
        ("kg,,0,,,HFC-99=1,,,,x", "no global warming potential of 'HFC-99' is known"),
        ("GJ,gross,51,,,,39.3,kWx,,x", "heat_unit: unknown unit 'kWx'"),
        ("GJ,gross,51,,,,39.3,kW,,x", "heat_unit is a unit of mass or volume"),
        ("GJ,gross,51,,,,-39.3,m3,,x", "'-39.3' is not more than 0"),
        ("kg,,0,-1,,,,,,x", "ch4_kg"),
    )
    text = PROPERTIES + "".join(f"f{i},{row}\n" for i, (row, _) in enumerate(rows))
    told = problems(text)
    assert len(told) == len(rows)
    for line, sentence, (_, says) in zip(range(2, 11), told, rows, strict=True):
        assert sentence.startswith(f"line {line}: ")
        assert says in sentence
