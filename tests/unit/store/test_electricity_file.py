"""Contracts and certificates that a file states wrongly are refused in a sentence that helps."""

from __future__ import annotations

import pytest

from services.core.facility.checks import warnings
from services.core.facility.file import FacilityFileError, parse
from services.core.facility.model import Electricity, spec

FILE = """
facility: {id: linz, name: Linz works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels: [{id: import, quantity: energy, unit: kWh, kind: counter, max_rate: 5000}]
  - id: gas
    channels: [{id: volume, quantity: volume, unit: m3, kind: counter, max_rate: 5000}]
sources:
  - {id: grid, scope: 2, method: activity, input: meter.import, factor: grid-gb}
  - {id: boiler, scope: 1, method: activity, input: gas.volume, factor: natural-gas,
     calorific_value: 39.3}
electricity: %s
"""
WIND = "{id: park, technology: wind}"


def certified(*certificates: str) -> str:
    return f"{{contracts: [{WIND}], certificates: [{', '.join(certificates)}]}}"


def stored(charge: str, discharge: str, *more: str) -> str:
    keys = ", ".join(("efficiency: 85", "from: 2026-01-01", *more))
    return f"storage: [{{id: b, charge: {charge}, discharge: {discharge}, {keys}}}]"


def problems(electricity: str) -> str:
    with pytest.raises(FacilityFileError) as caught:
        parse(FILE % electricity)
    return "; ".join(str(problem) for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("electricity", "says"),
    [
        ("{match: hourli}", "hourly"),
        (
            "{match: [{policy: hourly}, {policy: annual}]}",
            "two entries of match hold from the same",
        ),
        ("{sources: [gird]}", "there is no source 'gird'; did you mean grid"),
        ("{sources: [boiler]}", "source boiler is not electricity that was bought"),
        (
            "{contracts: [{id: a, technology: gas, share: 5}]}",
            "contract a: gas emits CO2; name its",
        ),
        (
            "{contracts: [{id: a, technology: gas, factor: natural-gas}]}",
            "natural-gas is the factor of a fuel",
        ),
        (
            "{contracts: [{id: a, technology: gas, factor: nope}]}",
            "neither in this file nor built in",
        ),
        (
            "{contracts: [{id: a, technology: wind, from: 2026-02-01, to: 2026-02-01}]}",
            "contract a does not end after it begins",
        ),
        (
            "{contracts: [{id: a, technology: wind, share: 5, channel: meter.import}]}",
            "contract a has either channel or share",
        ),
        ("{contracts: [{id: a, technology: wind, channel: pv.x}]}", "there is no channel 'pv.x'"),
        (
            "{contracts: [{id: a, technology: wind, channel: gas.volume}]}",
            "line 12: gas.volume cannot be counted for a",
        ),
        (
            f"{{{stored('meter.import', 'meter.import')}}}",
            "storage b: charge and discharge are two channels, one for each way",
        ),
        (
            f"{{contracts: [{WIND}], {stored('meter.import', 'bms.out', 'contract: park')}}}",
            "storage b: park has no channel: nothing tells what of it is stored",
        ),
        (f"{{contracts: [{WIND}, {WIND}]}}", "'park' stands twice among the contracts"),
        (
            f"{{match: ghgp-2025-draft, contracts: [{WIND}]}}",
            "counts contracts of the facility's own zone only: add zone, such as zone: AT",
        ),
        (
            certified("{id: c, contract: prak, month: 2026-03, mwh: 1}"),
            "line 12: certificate c: there is no contract 'prak'; did you mean park",
        ),
        (certified("{id: c, contract: park, mwh: 1}"), "certificate c has either hour or month"),
        (
            certified("{id: c, contract: park, hour: '2026-03-01T12:30:00Z', mwh: 1}"),
            "hour is the start of a whole hour of UTC",
        ),
        (certified("{id: c, contract: park, month: 2026-13, mwh: 1}"), "2026-13"),
        (
            certified("{id: c, contract: park, month: March, mwh: 1}"),
            "March is not a month: write it as '2026-03'",
        ),
        (
            certified("{id: c, contract: park, month: 2026-03, mwh: 1, retired: 2026-02-03}"),
            "certificate c cannot be retired before it was made",
        ),
        (
            certified(
                "{id: A 1, contract: park, month: 2026-03, mwh: 1}",
                "{id: a1, contract: park, month: 2026-04, mwh: 1}",
            ),
            "certificate a1 stands twice: it counts once",
        ),
    ],
)
def test_a_mistake_is_told_with_what_to_do(electricity: str, says: str) -> None:
    assert says in problems(electricity)


def test_there_is_something_to_match() -> None:
    grid = "  - {id: grid, scope: 2, method: activity, input: meter.import, factor: grid-gb}\n"
    text = (FILE % "{}").replace(grid, "")
    with pytest.raises(FacilityFileError, match="nothing is to be matched"):
        parse(text)


def test_what_may_surprise_is_told() -> None:
    file = parse(
        FILE
        % (
            "{zone: AT, match: ghgp-2025-draft,"
            " contracts: [{id: park, technology: wind, zone: CZ}],"
            " certificates: [{id: c, contract: park, month: 2026-03, mwh: 1}]}"
        )
    )
    told = " ".join(warnings(file))
    assert "contract park feeds into CZ, and by ghgp-2025-draft it supplies nothing in AT" in told
    assert "certificates of a month have no hour, and count for nothing" in told
    assert "grid has no market_factor: what no contract supplies counts by grid-gb" in told


def test_certificates_and_shares_that_count_for_less_than_they_say_are_told() -> None:
    file = parse(
        FILE
        % (
            "{zone: AT, contracts: ["
            "{id: park, technology: wind, from: 2026-01-01, to: 2026-04-01},"
            "{id: a, technology: hydro, share: 60},"
            "{id: b, technology: hydro, share: 70, from: 2026-03-01, certified: true}],"
            " certificates: ["
            # the first hour of the first day in Vienna, and the one before
            "{id: first, contract: park, hour: '2025-12-31T23:00:00Z', mwh: 1},"
            "{id: early, contract: park, hour: '2025-12-31T22:00:00Z', mwh: 1},"
            "{id: last, contract: park, month: 2026-03, mwh: 1},"
            "{id: late, contract: park, month: 2026-04, mwh: 1}]}"
        )
    )
    told = list(warnings(file))
    outside = [text.split()[1] for text in told if "contract park is not in force" in text]
    assert outside == ["early", "late"]
    assert any("contracts a, b have 130 % of the load from 2026-03-01 on" in text for text in told)


def test_what_is_stored_is_read_as_it_was_written() -> None:
    file = parse(
        FILE
        % (
            "{match: [{policy: annual}, {policy: hourly, from: 2027-01-01}],"
            f" contracts: [{WIND}],"
            " certificates: [{id: c, contract: park, month: 2026-03, mwh: 1, retired: 2026-04-01},"
            " {id: d, contract: park, hour: '2026-03-01T12:00:00+01:00', mwh: 1}]}"
        )
    )
    assert file.electricity is not None
    stored = spec(file.electricity)
    assert Electricity.model_validate(stored) == file.electricity
    assert [rule.policy.name for rule in file.electricity.policies] == ["annual", "hourly"]
