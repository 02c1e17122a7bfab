"""A product that a facility file states wrongly is refused in a sentence that says what to do."""

from __future__ import annotations

from fractions import Fraction

import pytest

from services.core.facility.checks import warnings
from services.core.facility.file import FacilityFileError, parse

FILE = """
facility: {id: linz, name: Linz works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels:
      - {id: import, quantity: energy, unit: kWh, kind: counter, max_rate: 5000}
      - {id: both, quantity: power, unit: kW, kind: gauge, direction: both}
  - id: scale
    channels:
      - {id: a, quantity: mass, unit: kg, kind: counter, max_rate: 5000}
      - {id: b, quantity: mass, unit: kg, kind: counter, max_rate: 5000}
      - {id: all, quantity: mass, unit: kg, kind: derived, sum: [a, b]}
      - {id: rate, quantity: count_flow, unit: piece/min, kind: gauge}
      - {id: warmth, quantity: temperature, unit: degC, kind: gauge}
sources:
  - {id: grid, scope: 2, method: activity, input: meter.import, factor: grid-gb, check: other}
  - {id: other, scope: 2, method: activity, input: meter.import, factor: grid-gb}
products:
  - %s
"""


def problems(*products: str) -> str:
    with pytest.raises(FacilityFileError) as caught:
        parse(FILE % "\n  - ".join(products))
    return "; ".join(str(problem) for problem in caught.value.problems)


def product(**keys: str) -> str:
    stated = {"id": "x", "unit": "t", "production": "scale.a", **keys}
    return "{" + ", ".join(f"{key}: {value}" for key, value in stated.items()) + "}"


def shared(**keys: str) -> str:
    inner = ", ".join(f"{key}: {value}" for key, value in {"source": "grid", **keys}.items())
    return product(shared=f"[{{{inner}}}]")


AREA = {"method": "area", "key": "1", "total": "2", "unit": "m2"}


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        (product(unit="tons"), "unknown unit 'tons'"),
        (product(production="scale.c"), "there is no channel 'scale.c'"),
        (product(unit="kWh"), "cannot be counted for x"),
        (product(production="scale.warmth"), "a gauge of temperature has no activity"),
        (product(production="meter.both", unit="kWh"), "tells two directions apart"),
        (product(production="[scale.a, scale.a]"), "stands twice in production"),
        (product(production="[]"), "at least one entry"),
        (product(sources="[girder]"), "there is no source 'girder'"),
        (product(sources="[other]"), "only checks another source"),
        (product(batch_channel="scale.a"), "neither a gauge nor an event channel"),
        (product(batch_channel="scale.x"), "there is no channel 'scale.x'"),
        (shared(method="stated"), "takes share, in percent"),
        (shared(method="stated", share="40", key="1"), "no key, total or unit"),
        (shared(method="area", share="40"), "takes key, total and unit"),
        (shared(**{**AREA, "key": "3"}), "key is more than total"),
        (shared(**{**AREA, "method": "mass"}), "unknown unit 'm2'"),
        (shared(**{**AREA, "method": "energy", "unit": "t"}), "t is a unit of mass"),
        (shared(**AREA, valid_from="2026-02-01", valid_to="2026-01-01"), "is not after"),
        (product(batches='[{id: "1", from: 2026-11-22, to: 2026-11-22}]'), "does not end after"),
    ],
)
def test_a_wrong_product_is_refused(stated: str, says: str) -> None:
    assert says in problems(stated)


def test_more_than_the_whole_of_a_source_is_refused() -> None:
    whole = product(sources="[grid]")
    half = shared(**AREA, valid_from="2026-01-01").replace("id: x", "id: y")
    assert "more than the whole of grid is shared out" in problems(whole, half)
    assert "to x, y" in problems(whole, half)
    assert "stands twice among the products" in problems(whole, product())


def test_production_is_a_source_that_emits_nothing() -> None:
    derived = product(production="scale.all", lateness="1h")
    by_rate = product(id="y", unit="piece", production="[scale.rate]")
    again = product(id="z", production="scale.all")
    file = parse(FILE % f"{derived}\n  - {by_rate}\n  - {again}")
    combined, rate = file.production
    assert (combined.id, combined.scope, combined.lateness) == ("scale.all", 0, 3600.0)
    assert set(combined.channels) == {"scale.a", "scale.b"}
    assert rate.channels == {"input": "scale.rate"}


def test_shares_are_exact_and_end_where_the_next_begins() -> None:
    one = "{source: grid, method: stated, share: 33.3}"
    other = "{source: grid, method: stated, share: 50, valid_from: 2026-01-01}"
    (stated,) = parse(FILE % product(shared=f"[{one}, {other}]")).products
    first, second = stated.allocations
    assert (first.share, second.share) == (Fraction(333, 1000), Fraction(1, 2))
    assert first.end == second.first


def test_a_channel_of_batch_numbers_asks_for_no_range_of_amounts() -> None:
    log = "      - {id: log, quantity: count, unit: piece, kind: event, since: 2026-01-01}\n"
    warmth = "      - {id: warmth,"
    text = FILE.replace(warmth, log + warmth)
    for channel, named in (("scale.log", []), ("scale.rate", ["scale.log has no range"])):
        file = parse(text % product(batch_channel=channel))
        told = [warning.partition(":")[0] for warning in warnings(file)]
        assert [warning for warning in told if "no range" in warning] == named
