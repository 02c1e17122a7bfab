"""A wrong facility file is refused whole, with every error named by line."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.core.facility.assemble_closing import calibration_rule
from services.core.facility.checks import warnings
from services.core.facility.file import FacilityFileError, parse
from services.core.facility.in_force import plausible_range
from services.core.facility.model import ActivitySource, Channel, spec
from services.core.timeline.instants import to_us

CONTRACT = (Path(__file__).parents[2] / "fixtures" / "contract-facility.yaml").read_text()

LINES = CONTRACT.splitlines()


def line_of(piece: str) -> int:
    return next(i for i, line in enumerate(LINES, 1) if piece in line)


def problems(text: str) -> list[str]:
    with pytest.raises(FacilityFileError) as caught:
        parse(text)
    return [str(problem) for problem in caught.value.problems]


def test_the_contracts_example_is_accepted() -> None:
    file = parse(CONTRACT)
    assert [device.id for device in file.devices] == [
        "meter-grid",
        "gas-meter",
        "cems-1",
        "cems-2",
        "pow1",
    ]
    assert file.sources[2].lateness == 900.0
    assert file.thresholds[0].for_ == 120.0


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("kind: counter, modulus: 1000000", "kind: conuter", "kind"),
        ("max_gap: 120}", "max_gop: 120}", "max_gop"),
        ("max_gap: 120}", "max_gap: 120, modulus: 5}", "modulus belongs to a counter"),
        ("modulus: 1000000", "modulus: 1000000, max_gap: 5m", "max_gap belongs to a gauge"),
        ("timezone: Europe/Vienna}", "timezone: Europe/Wien}", "Europe/Wien"),
        ("unit: kW, kind", "unit: kilowat, kind", "kilowat"),
        ("quantity: power, unit: kW", "quantity: energy, unit: kW", "power, not of energy"),
        ("id: gas-meter", "id: Gas_Meter", "is not an id"),
        ("id: cems-2\n", "id: cems-1\n", "twice"),
        ("input: gas-meter.volume", "input: gas-meter.valume", "gas-meter.valume"),
        ("factor: works-grid}", "factor: works-grit}", "works-grit"),
        ("kind: gauge, basis: wet, range", "kind: gauge, basis: dry, range", "wet basis"),
        ("flow: cems-2.flow, h2o: cems-2.h2o}", "flow: cems-2.flow}", "moisture"),
        ("equation: F-11", "equation: F-12", "F-12"),
        ("fuel: natural-gas", "fuel: turf", "turf"),
        ("range: [0, 25]", "range: [25, 0]", "range"),
        ("range: [0, 25]", "range: [25, 50], full_scale: 20", "begins above full_scale"),
        ("range: [0, 25]", "full_scale: 20, span: 25", "span is above full_scale"),
        (
            "range: [0, 25]",
            "full_scale: [{value: 30}, {from: 2026-05-01, value: 20}], span: 25",
            "span is above full_scale",
        ),
        ("range: [0, 25]", "range: [0, 25], full_scale: 30", "range ends at 25, below full_scale"),
        ("range: [0, 25]", "full_scale: 0", "full_scale"),
        ("max_rate: 900}", "max_rate: 900, full_scale: 5}", "full_scale belongs to a gauge"),
        ("lateness: 15m", "lateness: soon", "write seconds or a text such as 90s"),
        ("valid_to: 2026-01-01", "valid_to: 2026-07-01", "same time"),
        ("co2_kg: 0.25", "co2_kg: .nan", "finite"),
        ("source: stack-1, measure", "source: stack-9, measure", "stack-9"),
        ("above: 20000, for", "for", "above or below"),
        ("factor: works-grid}", "factor: works-grid, market_factor: no-such}", "no-such"),
        ("factor: works-grid}", "factor: works-grid, check: grid}", "itself as its check"),
        ("factor: works-grid}", "factor: works-grid, check: nobody}", "no such source"),
        ("factor: works-grid}", "factor: works-grid, substitution: mrr}", "rules for stacks"),
        (
            "calorific_value: 39.3}",
            "calorific_value: 39.3, market_factor: works-grid}",
            "belongs to scope 2",
        ),
        (
            "quantity: volume, unit: m3, kind: counter, max_rate: 900",
            "quantity: volume, unit: m3, kind: counter, calibration: {references: [0]}",
            "calibration belongs to a gauge",
        ),
        (
            "max_gap: 120}",
            "max_gap: 120, length: 15m}",
            "length belongs to an interval, and this channel is a gauge",
        ),
        (
            "unit: scf/h, kind: gauge",
            "unit: scf/h, kind: gauge, calibration: {references: [0]}",
            "span",
        ),
        ("factor: works-grid}", "factor: R410A}", "starting with a letter or digit, such as r410a"),
        ("factor: works-grid}", "factor: diesel-gb-2026}", "did you mean diesel-gb?"),
        ("co2_kg: 0.25", "co2_kg: 0.25, biogenic: 5", "did you mean co2_biogenic_kg?"),
        ("39.3", "39.3 MJ", "write it with a point and without a unit"),
        ("  - id:", "\t- id:", "YAML takes spaces only"),
    ],
)
def test_each_mistake_is_named_with_its_line(old: str, new: str, says: str) -> None:
    assert CONTRACT.count(old) >= 1
    text = CONTRACT.replace(old, new, 1)
    changed = text.splitlines()
    differing = next(i for i, (a, b) in enumerate(zip(LINES, changed, strict=False), 1) if a != b)
    found = problems(text)
    assert any(says in problem for problem in found), found
    lines = {int(re.match(r"line (\d+): ", problem)[1]) for problem in found}
    # a source names what it cannot compute at its own line, a few below the channel's
    assert any(abs(line - differing) <= 32 for line in lines), (differing, found)


_METERS = """
facility: {id: a, name: A, timezone: UTC}
devices:
  - id: m
    channels:
      - {id: t1, quantity: energy, unit: kWh, kind: counter}
      - {id: p, quantity: power, unit: kW, kind: gauge}
      - {id: d, quantity: energy, unit: kWh, kind: derived, DERIVED}
sources:
  - {id: s, scope: 2, method: activity, input: m.d, factor: grid-gb}
"""


@pytest.mark.parametrize(
    ("derived", "says"),
    [
        ("sum: [t1, p]", "puts energy of a minute beside power"),
        (
            "sum: [t1, t3]",
            "the sum of m.d cannot be used: there is no channel 'm.t3' among this file's devices;",
        ),
        ("formula: t1-t3", "there is no channel 'm.t1-t3' among this file's devices; a minus"),
        ("formula: d + t1", "m.d is derived itself"),
        ("formula: 5 + 0", "it names no channel"),
        ("formula: t1 +", "it ends where"),
        ("formula: p * 2", "it comes to power, and kWh is energy"),
        ("sum: []", "it ends where a channel"),
        # as it is kept, with -1 * m.t1 for -t1, it is larger
        ("formula: 'min(" + ", ".join(["-t1"] * 140) + ")'", "more than 400 parts"),
        ("sum: [t1, t1], formula: t1", "needs either sum"),
        ("range: [0, 9]", "range is said of what a device sends, and this channel is derived"),
        ("sum: [t1, t1], scale: 2", "scale is said of what a device sends"),
    ],
)
def test_a_derived_channel_that_cannot_be_computed_is_refused(derived: str, says: str) -> None:
    found = problems(_METERS.replace("DERIVED", derived))
    assert any(says in problem for problem in found), found
    assert all(problem.startswith("line 8: ") for problem in found), found


def test_a_derived_channel_is_kept_with_the_source_that_uses_it() -> None:
    file = parse(_METERS.replace("DERIVED", "formula: 2*t1 - t1"))
    (source,) = file.sources
    assert source.channels == {"m.t1": "m.t1"}
    assert isinstance(source, ActivitySource)
    assert source.derived is not None
    assert source.derived.formula == "2 * m.t1 - m.t1"
    # nobody can claim another one
    claimed = _METERS.replace("DERIVED", "sum: [t1, t1]").replace(
        "input: m.d", "input: m.t1, derived: {channel: m.d}"
    )
    (source,) = parse(claimed).sources
    assert source.channels == {"input": "m.t1"}


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("scale: 0", "a scale of zero would lose the reading"),
        ("scale: -1", "the scale of a counter is above 0"),
        ("scale: [{value: 40}, {from: 2025-06-01, value: -1}]", "the scale of a counter is above"),
        ("scale: [{value: 40}, {from: 2025-06-01, value: 0}]", "a scale of zero would lose"),
        ("scale: []", "this list needs at least one entry"),
        ("scale: forty", "'forty' is not a scale: write a number"),
        ("scale: [{value: 40}, {value: 60}]", "each entry but the first needs its from"),
        (
            "scale: [{from: 2025-06-01, value: 60}, {from: 2024-01-01, value: 40}]",
            "2024-01-01T00:00:00+00:00 comes after 2025-06-01T00:00:00+00:00; an entry holds until",
        ),
        ("scale: [{form: 2024-01-01, value: 40}]", "did you mean from?"),
        ("scale: [{from: 2024-01-01}]", "this key is missing"),
        (
            "calibration_functions: [{valid_from: 2026-01-01, a: 0, b: 1, citation: r}]",
            "calibration_functions belongs to a gauge",
        ),
        ("offset: 3", "offset belongs to a gauge, and this channel is a counter"),
        ("sum: [t1, t1]", "sum belongs to a channel of kind: derived"),
    ],
)
def test_what_a_scale_cannot_be(key: str, says: str) -> None:
    text = _METERS.replace("DERIVED", "sum: [t1, t1]").replace(
        "kind: counter", f"kind: counter, {key}"
    )
    found = problems(text)
    assert any(says in problem for problem in found), found


def test_stacks_and_thresholds_name_what_is_measured() -> None:
    text = (
        _METERS.replace("DERIVED", "sum: [t1, t1]")
        + """
  - {id: k, scope: 1, method: stack, equation: mass-flow, inputs: {mass_flow: m.d}}
thresholds: [{id: t, channel: m.d, measure: value, above: 3, severity: info}]
"""
    )
    found = problems(text)
    assert any("m.t1 must be a gauge, t1 is a counter" in each for each in found), found
    assert any("m.d is an amount of each minute" in each for each in found), found
    found = problems(text.replace("kind: derived, sum: [t1, t1]", "kind: derived, sum: [t1, p]"))
    assert len(found) == 2, found
    assert "puts energy of a minute beside power" in found[0]


def test_a_stack_takes_formulas_of_gauges_in_its_units_and_basis() -> None:
    text = """
facility: {id: a, name: A, timezone: UTC}
devices:
  - id: m
    channels:
      - {id: a, quantity: fraction, unit: "%", kind: gauge, basis: wet}
      - {id: h2o, quantity: fraction, unit: "%", kind: gauge, full_scale: 50}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, full_scale: 2e6}
      - {id: dry, quantity: fraction, unit: "%", kind: derived, basis: dry, formula: a / (1 - h2o)}
sources:
  - {id: k, scope: 1, method: stack, equation: F-2, inputs: {co2: m.dry, flow: m.flow, h2o: m.h2o}}
"""
    file = parse(text)
    (source,) = file.sources
    assert source.channels == {"flow": "m.flow", "h2o": "m.h2o", "m.a": "m.a", "m.h2o": "m.h2o"}
    (found,) = problems(text.replace("equation: F-2", "equation: F-11"))
    assert "F-11 takes no input called 'h2o'" in found
    assert "F-11 takes the CO2 concentration on a wet basis; the channel measures it dry" in found
    (found,) = problems(text.replace("unit: scf/h", "unit: m3/h"))
    assert "flow measures gas as it flows" in found
    (found,) = problems(
        text.replace("inputs: {co2", "operating: {channel: m.dry, above: 1}, inputs: {co2")
    )
    assert "m.dry is derived, and operating is measured: name a channel" in found
    under = text.replace("equation: F-2", "equation: F-2, validity: part75, substitution: part75")
    warned = list(warnings(parse(under)))
    assert any(w.startswith("m.a has no full_scale: nothing tells") for w in warned), warned
    by_formula = under.replace(
        "full_scale: 2e6", "audits: [{at: 2026-01-05T00:00:00Z, bias_factor: 1.05}]"
    ).replace("flow: m.flow", "flow: m.f2")
    f2 = "{id: f2, quantity: volume_flow, unit: scf/h, kind: derived, formula: flow * 1.02}"
    (found,) = problems(by_formula.replace("- {id: dry", f"- {f2}\n      - {{id: dry"))
    assert "an audit of m.flow comes to a bias factor, and m.flow enters flow by a formula" in found


def test_every_error_is_named_not_only_the_first() -> None:
    text = CONTRACT.replace(
        "unit: kWh, kind: counter, modulus", "unit: kWk, kind: counter, modulus"
    )
    text = text.replace("equation: F-11", "equation: F-99").replace(
        "gas-meter.volume", "gas.volume"
    )
    found = problems(text)
    assert len(found) >= 3
    assert f"line {line_of('import-energy')}: " in found[0]


def test_a_key_that_stands_twice_and_broken_yaml_name_the_line() -> None:
    assert problems("facility: {id: a, name: A, timezone: UTC}\nfacility: {id: b}\n")[0].startswith(
        "line 2"
    )
    assert problems("facility:\n  - [unclosed\n")[0].startswith("line")
    assert problems("just a text") == ["line 1: a facility file starts with facility: {id: ...}"]


@pytest.mark.parametrize("text", ["", "[]", "facility: 1", "devices: {}", "a: *b", "\x00", "{{{"])
def test_nothing_raises_anything_but_its_own_error(text: str) -> None:
    problems(text)


def test_policies_that_do_not_fit_the_equation_are_refused() -> None:
    text = """
facility: {id: a, name: A, timezone: UTC}
devices:
  - id: d
    channels: [{id: m, quantity: mass_flow, unit: kg/h, kind: gauge}]
sources:
  - {id: s, scope: 1, method: stack, equation: mass-flow, inputs: {mass_flow: d.m},
     substitution: POLICY}
"""
    for policy, says in (("part75", "fills CO2 in %, moisture and flow"), ("mrr", "takes none")):
        assert any(says in problem for problem in problems(text.replace("POLICY", policy)))
    parse(text.replace("POLICY", "none"))


def test_moisture_has_no_daily_calibration() -> None:
    moisture = '{id: h2o, quantity: fraction, unit: "%", kind: gauge'
    found = problems(CONTRACT.replace(moisture, moisture + ", calibration: {references: [0]}"))
    assert any("no daily calibration" in problem for problem in found), found


def test_what_may_go_unnoticed_is_doubted_aloud() -> None:
    file = parse(CONTRACT.replace(", max_rate: 900", ""))
    found = list(warnings(file))
    assert any("gas-meter.volume" in warning and "max_rate" in warning for warning in found)
    # part75 without a maximum potential flow
    assert any("cems-1.flow has no maximum_potential" in warning for warning in found)
    assert any("cems-1.co2 has no full_scale" in warning for warning in found)
    assert not any("meter-grid.import-energy" in warning for warning in found)
    assert not any("ends on" in warning or "market-based" in warning for warning in found)


def test_a_factor_that_ends_or_is_of_the_other_basis_is_doubted_aloud() -> None:
    ended = CONTRACT.replace("co2_kg: 0.20,", "co2_kg: 0.20, valid_to: 2027-01-01,")
    assert any("works-grid ends on 2027-01-01" in warning for warning in warnings(parse(ended)))
    market = CONTRACT.replace("factor: works-grid", "factor: grid-cn-residual")
    assert any("market-based" in warning for warning in warnings(parse(market)))


def test_a_source_takes_the_facilitys_gwp_unless_it_names_its_own() -> None:
    text = CONTRACT.replace("name: Linz works,", "name: Linz works, gwp: AR5,")
    assert text != CONTRACT
    by_id = {source.id: source for source in parse(text).sources}
    assert [getattr(by_id[each], "gwp", None) for each in ("grid", "boiler", "stack-1")] == [
        "AR5", "AR5", None,
    ]  # fmt: skip
    own = text.replace("input: gas-meter.volume,", "gwp: AR4, input: gas-meter.volume,")
    assert {s.id: getattr(s, "gwp", None) for s in parse(own).sources}["boiler"] == "AR4"
    # said once, of the facility, and not of each of its sources again
    (told,) = problems(text.replace("AR5", "SAR"))
    assert "facility, gwp: 'SAR' is not one of AR4, AR5, AR6" in told


def test_a_threshold_of_market_based_co2_needs_a_market_factor_to_say_more() -> None:
    watching = "\n  - {id: m, source: boiler, measure: total, window: 1h, above: 5, figure: market}"
    text = CONTRACT.replace("\nthresholds:", f"\nthresholds:{watching}")
    assert text != CONTRACT
    (told,) = [warning for warning in warnings(parse(text)) if "market-based CO2" in warning]
    assert "threshold m watches" in told
    assert "no market_factor is named by boiler" in told
    grid = text.replace("source: boiler, measure", "source: grid, measure")
    named = grid.replace("factor: works-grid}", "factor: works-grid, market_factor: works-grid}")
    assert not any("market-based CO2" in warning for warning in warnings(parse(named)))


REFUSED = {
    "dry CO2 for F-11": ("unit: '%', kind: gauge, basis: dry", "F-11", "on a wet basis"),
    "wet CO2 for F-2": ("unit: '%', kind: gauge, basis: wet", "F-2", "on a dry basis"),
    "no moisture for F-2": ("unit: '%', kind: gauge", "F-2", "name a channel as its input 'h2o'"),
    "no fuel": ("unit: '%', kind: gauge", "F-11, diluent: F-14B", "needs a fuel"),
    "no such fuel": ("unit: '%', kind: gauge", "F-11, diluent: F-14B, fuel: peat", "'peat'"),
    "a dry diluent": (
        "unit: '%', kind: gauge",
        "F-11, diluent: F-14A, fuel: oil",
        "gives dry CO2 and F-11 takes it wet",
    ),
    "a diluent cap without its rule": (
        "unit: '%', kind: gauge",
        "F-11, diluent_cap: true, validity: mrr",
        "set validity: part75, or remove diluent_cap",
    ),
    "a diluent cap of another equation": (
        "unit: '%', kind: gauge",
        "C-6, diluent_cap: true, validity: part75",
        "for the CO2 of F-11 and F-2, not of C-6",
    ),
    "audits that nothing can judge": (
        "unit: '%', kind: gauge, audits: [{at: 2026-01-01, bias_factor: 1.1}]",
        "F-11, validity: part75",
        "only a flow carries",
    ),
    "a load without a rule": (
        "unit: '%', kind: gauge",
        "F-11, load: {channel: d.co2, maximum: 9}",
        "substitution part75",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_stack_that_cannot_be_computed_is_refused_with_line_and_reason(case: str) -> None:
    co2, equation, reason = REFUSED[case]
    text = f"""
facility: {{id: a, name: A, timezone: UTC}}
devices:
  - id: d
    channels:
      - {{id: co2, quantity: fraction, {co2}}}
      - {{id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet}}
sources:
  - {{id: s, scope: 1, method: stack, inputs: {{co2: d.co2, flow: d.flow}}, equation: {equation}}}
"""
    (problem,) = problems(text)
    assert problem.startswith("line 9: source 's' cannot be computed: ")
    assert reason in problem


@pytest.mark.parametrize(
    ("unit", "factor", "reason"),
    [
        ("m3", "natural-gas-ipcc", "give the source the density of its fuel"),
        ("m3", "per-nm3", "temperature and pressure are needed"),
        ("m3", "natural-gas-ipcc, calorific_value: 39.3", "is on net calorific value"),
        ("Nm3", "per-nm3, calorific_value: 39.3", "calorific_value would not be used"),
    ],
)
def test_an_activity_that_cannot_be_computed_is_refused_with_line_and_reason(
    unit: str, factor: str, reason: str
) -> None:
    text = f"""
facility: {{id: a, name: A, timezone: UTC}}
devices:
  - {{id: d, channels: [{{id: v, quantity: volume, unit: {unit}, kind: counter, max_rate: 9}}]}}
factors: [{{id: per-nm3, unit: Nm3, co2_kg: 2.0, citation: lab}}]
sources:
  - {{id: s, scope: 1, method: activity, input: d.v, factor: {factor}}}
"""
    (problem,) = problems(text)
    assert problem.startswith("line 7: source 's' cannot be computed: ")
    assert reason in problem


@pytest.mark.parametrize(
    ("limits", "full_scale", "plausible"),
    [
        (None, 20.0, None),
        ((0.0, 20.0), None, (0.0, 20.0)),
        # an end that is the scale's own lies further out
        ((0.0, 20.0), 20.0, (-2.0, 40.0)),
        ((0.0, 15.0), 20.0, (-2.0, 40.0)),
        # one that lies outside of the scale is meant
        ((-1.0, 25.0), 20.0, (-1.0, 25.0)),
        ((2.0, 25.0), 20.0, (2.0, 25.0)),
    ],
)
def test_what_lies_a_little_beyond_the_scale_is_plausible(
    limits: tuple[float, float] | None,
    full_scale: float | None,
    plausible: tuple[float, float] | None,
) -> None:
    assert plausible_range(limits, full_scale) == plausible


STACK = """
facility: {id: a, name: A, timezone: UTC}
devices:
  - id: d
    channels:
      - {id: co2, quantity: fraction, unit: "%%", kind: gauge, basis: dry, full_scale: 20,
         maximum_potential: 14}
      - {id: h2o, quantity: fraction, unit: "%%", kind: gauge, %s}
      - {id: flow, quantity: volume_flow, unit: %s, kind: gauge, full_scale: 3000000,
         maximum_potential: 2500000%s}
      - {id: t, quantity: temperature, unit: degC, kind: gauge}
      - {id: p, quantity: pressure, unit: kPa, kind: gauge}
sources:
  - {id: s, scope: 1, method: stack, equation: F-2, validity: part75, substitution: part75,
     inputs: {co2: d.co2, h2o: d.h2o, flow: d.flow%s}}
"""


def test_a_maximum_potential_that_cannot_stand_in_is_said() -> None:
    assert list(warnings(parse(STACK % ("basis: wet", "scf/h", "", "")))) == []
    (warning,) = warnings(parse(STACK % ("maximum_potential: 20", "scf/h", "", "")))
    assert warning.startswith("d.h2o has a maximum_potential, and h2o is not filled from above")
    conditions = ", temperature: d.t, pressure: d.p"
    (warning,) = warnings(parse(STACK % ("basis: wet", "m3/h", "", conditions)))
    assert warning.startswith("d.flow is measured as the gas flows (m3/h)")


def test_errors_of_a_flow_calibration_are_percent_of_the_channels_span() -> None:
    calibrated = ", calibration: {references: [0, 2000000]}"
    text = STACK % ("basis: wet", "scf/h", calibrated, "")
    assert any("give the channel span" in problem for problem in problems(text))
    by_channel = parse(text.replace(calibrated, ", span: 2700000" + calibrated))
    by_calibration = parse(text.replace("2000000]}", "2000000], span: 2500000}"))
    spans = []
    for file in (by_channel, by_calibration):
        flow = file.channel("d.flow")
        rule = None if flow is None else calibration_rule(flow)
        spans.append(None if rule is None else rule.setups[0][1].span)
    assert spans == [2_700_000, 2_500_000]


_FUNCTION = "{valid_from: 2026-01-01, a: 1.5, b: 1.02, citation: report 7}"


@pytest.mark.parametrize(
    ("functions", "says"),
    [
        ("[]", "this list needs at least one entry"),
        (
            _FUNCTION + ", " + _FUNCTION.replace("2026", "2025"),
            "entries are in order of their valid_from, each later than the one before",
        ),
        (f"{_FUNCTION}, {_FUNCTION}", "in order of their valid_from"),
        (_FUNCTION.replace("b: 1.02", "b: 0"), "0 is not more than 0"),
        (_FUNCTION.replace("a: 1.5, ", ""), "this key is missing"),
        (_FUNCTION.replace("a: 1.5", "a: 1.5, unit: mg/m3"), "cannot convert 'mg/m3' to '%'"),
        (_FUNCTION.replace("a: 1.5", "a: 1, valid_range: [9, 0]"), "valid_range is [least, great"),
        (_FUNCTION.replace("report 7", '""'), "this text is empty"),
    ],
)
def test_what_a_calibration_function_cannot_be(functions: str, says: str) -> None:
    listed = functions if functions == "[]" else f"[{functions}]"
    text = STACK % (f"calibration_functions: {listed}", "scf/h", "", "")
    found = problems(text)
    assert any(says in problem for problem in found), found


def test_dated_figures_are_in_force_from_their_instants_on() -> None:
    offset = "offset: [{value: 0}, {from: 2026-03-01, value: 1}]"
    functions = f"calibration_functions: [{_FUNCTION}]"
    file = parse(STACK % (f"{offset}, {functions}", "scf/h", "", ""))
    channel = file.channel("d.h2o")
    assert channel is not None
    before, calibrated, after = channel.in_force
    assert before.as_sent is not None
    assert [terms.as_sent and terms.as_sent(10.0) for terms in (before, calibrated, after)] == [
        10.0,
        pytest.approx(1.5 + 1.02 * 10),
        pytest.approx(1.5 + 1.02 * 11),
    ]
    assert [terms.from_us for terms in (before, calibrated, after)] == [
        None,
        to_us(datetime(2026, 1, 1, tzinfo=UTC)),
        to_us(datetime(2026, 3, 1, tzinfo=UTC)),
    ]
    # what was read back from the registry is the same
    assert Channel.model_validate(spec(channel)) == channel


def test_a_full_scale_counts_as_the_calibration_makes_of_it() -> None:
    text = STACK % (
        f"basis: wet, full_scale: 20, range: [0, 20], calibration_functions: [{_FUNCTION}]",
        "scf/h",
        "",
        "",
    )
    channel = parse(text).channel("d.h2o")
    assert channel is not None
    shown, counted = channel.in_force
    assert (shown.counted_full_scale, counted.counted_full_scale) == (20, pytest.approx(21.9))
    assert counted.plausible == (pytest.approx(-2.19), pytest.approx(43.8))


def test_a_reference_is_judged_as_the_monitor_shows_it_at_its_time() -> None:
    channel = Channel.stated(
        {
            "id": "co2",
            "quantity": "fraction",
            "unit": "%",
            "kind": "gauge",
            "scale": [{"value": 1}, {"from": "2026-05-01", "value": 2}],
            "calibration": {"references": [0, 10]},
            "calibration_functions": [
                {"valid_from": "2026-01-01", "a": 1.5, "b": 1.02, "citation": "report 7"}
            ],
        }
    )
    rule = calibration_rule(channel)
    assert rule is not None
    april, may = (to_us(datetime(2026, month, 9, tzinfo=UTC)) for month in (4, 5))
    tests = rule.tests([april, may], [10.0, 5.0])
    assert [(test.passed, test.detail.split(",")[1]) for test in tests] == [
        (True, " response 10.0"),
        (True, " response 10.0"),
    ]


def test_apply_says_which_valid_ranges_nothing_counts() -> None:
    function = _FUNCTION.replace("a: 1.5", "a: 1.5, valid_range: [0, 20]")
    text = STACK % (f"calibration_functions: [{function}]", "scf/h", "", "")
    assert not [w for w in warnings(parse(text)) if "valid" in w]
    free = text.replace("validity: part75, substitution: part75", "validity: none")
    assert any(
        w.startswith("d.h2o: audits, calibrations and valid ranges act when hours are closed")
        for w in warnings(parse(free))
    )
    as_it_flows = STACK % ("basis: wet", "m3/h", "", ", temperature: d.t, pressure: d.p")
    temperature = function.replace("valid_range: [0, 20]", "valid_range: [0, 200]")
    warm = as_it_flows.replace(
        "unit: degC, kind: gauge",
        f"unit: degC, kind: gauge, calibration_functions: [{temperature}]",
    )
    assert any(
        w.startswith("d.t has a valid_range, and is no input of F-2 by itself: s does not count")
        for w in warnings(parse(warm))
    )
