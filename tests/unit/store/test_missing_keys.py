"""What is missing from a facility file is answered with an example and where it is described."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter
from ruamel.yaml import YAML

from services.core.facility.factor_file import FactorRow
from services.core.facility.fields import STATED
from services.core.facility.file import FacilityFileError, parse
from services.core.facility.headings import anchor, headings, keys, reference
from services.core.facility.written import flow

_PAGE = Path(__file__).parents[3] / "deploy" / "docs" / "reference" / "facility-file.md"

_REQUIRED = [
    pytest.param(part, key, field, id=f"{part.__name__}.{key}")
    for part in headings()
    for key, field in keys(part)
    if field.is_required()
]


@pytest.mark.parametrize(("part", "key", "field"), _REQUIRED)
def test_every_required_key_has_an_example_that_is_valid(
    part: type[BaseModel], key: str, field: Any
) -> None:
    assert field.examples, f"{part.__name__}.{key}"
    example = YAML(typ="safe").load(f"{key}: {flow(field.examples[0])}")[key]
    assert example == field.examples[0]
    kind = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    TypeAdapter(kind).validate_python(example, context=STATED)


def test_every_part_has_its_heading_on_the_page() -> None:
    lines = _PAGE.read_text(encoding="utf-8").splitlines()
    anchors = {anchor(line.removeprefix("## ")) for line in lines if line.startswith("## ")}
    for part in (*headings(), FactorRow):
        address = reference(part)
        assert address is not None
        assert address.partition("#")[2] in anchors, part


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("facility: {id: a, name: A}\ndevices: []", ("timezone: this key is missing: add it, for"
         " example timezone: Europe/Vienna (reference: /docs/reference/facility-file/#facility)")),
        ("facility: {id: a, name: A, timezone: UTC}", ("devices: this key is missing: add it, for"
         " example devices: [{id: main-meter, channels: [{id: import, quantity: energy, unit: kWh,"
         " kind: counter}]}] (reference: /docs/reference/facility-file/#the-file)")),
        ("sources: [{id: x, scope: 2}]", ("source x: method: this key is missing: add it, for"
         " example method: activity or method: stack"
         " (reference: /docs/reference/facility-file/#sources-of-method-activity)")),
        ("sources: [{id: x, scope: 2, method: stack}]", ("equation: this key is missing: add it,"
         " for example equation: F-11"
         " (reference: /docs/reference/facility-file/#sources-of-method-stack)")),
        ("maintenance: [{}]", ("from: this key is missing: add it, for example from: '2026-08-01'"
         " (reference: /docs/reference/facility-file/#maintenance)")),
        ("thresholds: [{id: x, measure: rate}]", "such as above: 500"),
        ("xyz: 1", ("xyz: this key is not known here; known are alert_codes, credits, devices,"
         " electricity, facility, factors, ignored_ids, maintenance, notify, pathway, products,"
         " removals, sources, thresholds")),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_with_an_example(text: str, says: str) -> None:
    with pytest.raises(FacilityFileError) as refused:
        parse(text)
    assert any(says in problem.message for problem in refused.value.problems), refused.value


def test_keys_as_stored_are_not_offered() -> None:
    text = "devices: [{id: m, channels: [{id: c, wxyz: 1}]}]"
    with pytest.raises(FacilityFileError) as refused:
        parse(text)
    assert "unit_from" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("factors: [{id: f, unit: kWh, co2_kg: 0,2, citation: b}]",
         "a number is written with a point, not with a comma: 0.2, not 0,2"),
        ("facility: {id: a, name: A, timezone: New York}", "such as America/New_York"),
        ("facility: {id: a, name: A, timezone: Vienna}", "such as Europe/Vienna"),
        ("facility: {id: a, name: A, timezone: Nowhere}", "such as Europe/Vienna"),
    ],
)  # fmt: skip
def test_what_a_newcomer_writes_is_answered_with_what_was_meant(text: str, says: str) -> None:
    with pytest.raises(FacilityFileError) as refused:
        parse(text)
    assert any(says in problem.message for problem in refused.value.problems), refused.value
