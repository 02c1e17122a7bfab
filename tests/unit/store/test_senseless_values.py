"""Figures that no plant on earth has are refused where they are stated, and read where stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.core.facility import plain_words
from services.core.facility.file import FacilityFileError, parse
from services.core.facility.model import Channel, FacilityFile
from services.core.facility.thresholds import Threshold

CONTRACT = (Path(__file__).parents[2] / "fixtures" / "contract-facility.yaml").read_text()

#: What is written in place of what, and the place and the words of the refusal.
SENSELESS = [
    ("for: 2m", "for: 99999999999999999999d", "threshold stack-1-hourly, for", "0 and 366d"),
    ("lateness: 15m", "lateness: 100000000d", "source stack-1, lateness", "0 and 366d"),
    ("max_gap: 120", "max_gap: 1e300", "channel import-power, max_gap", "0.1s and 366d"),
    ("max_gap: 120", "max_gap: 0", "channel import-power, max_gap", "0.1s and 366d"),
    ("max_rate: 5000", "max_rate: 1e308", "channel import-energy, max_rate", "1e+15"),
    ("modulus: 1000000", "modulus: 1e-300", "channel import-energy, modulus", "1e-06"),
    ("modulus: 1000000", "modulus: -5", "channel import-energy, modulus", "not more than 0"),
    ("range: [0, 25]", "range: [0, 1.7e308]", "channel co2, range, entry 2", "1e+15"),
    ("uncertainty: 2.5", "uncertainty: 1e9", "channel co2, uncertainty", "more than 1000"),
    ("co2_kg: 0.25", "co2_kg: 1e308", "factor works-grid, co2_kg", "1e+12"),
    ("ch4_kg: 0,", "ch4_kg: -1,", "factor works-grid, ch4_kg", "between 0 and"),
    ("co2_kg: 0.25", "co2_kg: yes", "factor works-grid, co2_kg", "not a number"),
    ("co2_kg: 0.25", "co2_kg: true", "factor works-grid, co2_kg", "true is not a number"),
    ("valid_from: 2020-01-01", "valid_from: 0001-01-01", "factor works-grid", "1900-01-01"),
    ("valid_to: 2026-01-01", "valid_to: 9999-12-31", "factor works-grid", "leave it out"),
    ("valid_to: 2026-01-01", "valid_to: 20260101", "factor works-grid, valid_to", "is not a day"),
    ("calorific_value: 39.3", "calorific_value: 1e9", "source boiler", "0.1 and 1000"),
    ("above: 20000", "above: 1e300", "threshold site-rate, above", "1e+15"),
    ("modulus: 1000000", "epochs: [{from: 0001-01-01, reason: reset}]", "epoch 1, from", "1900"),
    ("modulus: 1000000", "epochs: [{from: 5, reason: reset}]", "epoch 1, from", "is not a time"),
    (
        "modulus: 1000000",
        "epochs: [{from: 2026-01-01, start: 1e300, reason: reset}]",
        "channel import-energy, epoch 1, start",
        "1e+20",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "says"), SENSELESS, ids=[s[1] for s in SENSELESS])
def test_it_is_refused_with_its_place_and_what_makes_sense(
    old: str, new: str, place: str, says: str
) -> None:
    assert old in CONTRACT
    wrong = CONTRACT.replace(old, new, 1)
    line = next(i for i, text in enumerate(wrong.splitlines(), 1) if new in text)
    with pytest.raises(FacilityFileError) as caught:
        parse(wrong)
    (problem,) = caught.value.problems
    assert problem.line == line
    assert place in problem.message
    assert says in problem.message


@pytest.mark.parametrize(
    ("key", "limit"), [("silence", 1e9), ("silence", -1), ("quarantine", -1), ("quarantine", 1e12)]
)
def test_a_limit_that_can_never_be_passed_is_refused(key: str, limit: float) -> None:
    stated = {"id": "t", "device": "d", "measure": key, "above": limit}
    if key == "quarantine":
        stated["window"] = "1h"
    with pytest.raises(ValueError, match="is never passed"):
        Threshold.stated(stated)


def test_a_list_that_nobody_writes_by_hand_is_refused() -> None:
    epoch = "{from: 2026-01-01, reason: reset}"
    text = CONTRACT.replace("modulus: 1000000", f"epochs: [{', '.join([epoch] * 1001)}]", 1)
    with pytest.raises(FacilityFileError, match="more than the 1000 of one list"):
        parse(text)


def test_what_is_stored_is_read_whatever_the_bounds_are_today() -> None:
    spec = {
        "id": "c", "quantity": "energy", "unit": "kWh", "kind": "counter", "max_rate": 1e300,
        "modulus": 1e-300,
    }  # fmt: skip
    assert Channel.model_validate(spec).max_rate == 1e300
    stored = Threshold.model_validate(
        {"id": "t", "measure": "rate", "above": 1e300, "for": 8.64e24}
    )
    assert stored.for_ == 8.64e24
    with pytest.raises(ValueError, match="makes no sense"):
        Channel.stated(spec)


@pytest.mark.parametrize("zero", ["0", "0s", "PT0S"])
def test_zero_is_a_time_to_wait(zero: str) -> None:
    text = CONTRACT.replace("lateness: 15m", f"lateness: {zero}").replace("for: 2m", f"for: {zero}")
    file = parse(text)
    assert file.sources[2].lateness == 0.0
    assert file.thresholds[0].for_ == 0.0


MISTAKES = [
    ("max_gap: 120", "max_gop: 120", ("device meter-grid, channel import-power, max_gop: this key"
     " is not known here; did you mean max_gap?")),
    ("quantity: power, unit", "quantty: power, unit", ("device meter-grid, channel import-power,"
     " quantty: this key is not known here; did you mean quantity?")),
    ("quantity: power, unit", "quantity: pover, unit", "did you mean power?"),
    ("fuel: natural-gas", "feul: natural-gas", ("source stack-2, feul: this key is not known here;"
     " did you mean fuel?")),
    ("factor: works-grid", "factor: works-grit", "did you mean works-grid?"),
    ("factor: natural-gas,", "factor: natural-gass,", "did you mean natural-gas?"),
    ("input: gas-meter.volume", "input: gas-metre.volume", "did you mean gas-meter.volume?"),
    ("source: stack-1, m", "source: stack1, m", "did you mean stack-1?"),
    ("unit: kWh, kind: counter, mod", "unit: KWh, kind: counter, mod", ("device meter-grid, channel"
     " import-energy, unit: unknown unit 'KWh' (did you mean kWh?)")),
    ("unit: kW, kind", "unit: kilowat, kind", "unknown unit 'kilowat'"),
    ("kind: gauge, max", "kind: guage, max", ("channel import-power, kind: 'guage' is not one of"
     " counter, gauge, interval, event, derived; did you mean gauge?")),
    ("method: stack\n", "method: stak\n", ("source stack-1: method: 'stak' is not one of activity,"
     " stack; did you mean stack?")),
    ("method: stack\n", "mehtod: stack\n", ("mehtod: this key is not known here; did you mean"
     " method?")),
    ("range: [0, 25]", "range: 25", "channel co2, range: 25 is not a list"),
    ("range: [0, 25]", "range: [25]", "channel co2, range: this list is too short"),
    ("id: boiler", "id: 5", "source 5, id: 5 is not a text: put it in quotes"),
    ("channels: [{id: volume", "channels: [volume, {id: volume", ("channel 1: 'volume' is not a"
     " group of keys")),
    ("scope: 2,", "scope: 4,", "source grid, scope: 4 is not one of 1, 2, 3"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "says"), MISTAKES, ids=[m[1].strip() for m in MISTAKES])
def test_one_mistake_is_one_sentence_in_plain_words(old: str, new: str, says: str) -> None:
    assert old in CONTRACT
    with pytest.raises(FacilityFileError) as caught:
        parse(CONTRACT.replace(old, new, 1))
    (problem,) = caught.value.problems
    assert problem.line > 0
    assert says in problem.message


#: Words of the library that checks files, which say nothing to who writes one.
INSIDE = ("function-", "partial(", "uple", "discriminator", "dictionary", "instance of", "nput ")


@pytest.mark.parametrize("value", ["5", "text", "[1]", "{a: 1}", "null", "true", "[]", "[[{}]]"])
@pytest.mark.parametrize("key", sorted({k for m in (FacilityFile,) for k in m.model_fields}))
def test_no_refusal_speaks_of_the_inside(key: str, value: str) -> None:
    kept = "facility: {id: a, name: A, timezone: UTC}\n" if key != "facility" else ""
    with pytest.raises(FacilityFileError) as caught:
        parse(f"{kept}devices: [{{id: d, channels: {value}}}]\n" if key == "devices" else
              f"{kept}{key}: {value}\n")  # fmt: skip
    for problem in caught.value.problems:
        assert not any(word in problem.message for word in INSIDE), problem
        assert problem.line > 0


def test_the_same_words_are_said_of_a_single_part() -> None:
    body = {"id": "t", "measure": "rate", "abov": 5, "for": "-1m"}
    try:
        Threshold.stated(body)
    except ValueError as error:
        said = [str(each) for each in plain_words.findings(error, body, Threshold)]  # type: ignore[arg-type]
    assert said[0].startswith("for: '-1m' is negative")
    assert said[1] == "abov: this key is not known here; did you mean above?"
