"""The page of mapping keys: it has them all, its examples parse, its refusals are what is said."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from deploy.reference.mapping_keys import MAPPING_KEYS, MappingKey, example, file_with, refusal
from services.core.facility.channels import Channel
from services.core.facility.connections import P1, Modbus, Register
from services.core.facility.devices import Device, IgnoredIds
from services.core.facility.file import parse
from services.core.facility.headings import keys
from services.core.facility.mapping_model import Bytes, Quality, Timestamp, UnitFrom

#: Keys that say what a device or a channel is, not how its messages are read.
_OTHERS = {
    Device: {"id", "name", "channels"},
    Channel: {
        "id", "quantity", "calibration_functions", "kind", "sum", "formula", "modulus", "max_rate",
        "epochs", "resets", "estimated_after", "max_gap", "every", "basis", "range", "full_scale",
        "span", "maximum_potential", "uncertainty", "calibration", "audits", "audit_deadlines",
        "length", "stamp", "since", "profile",
    },
}  # fmt: skip


_PARTS = [
    Device, IgnoredIds, Timestamp, Quality, UnitFrom, P1, Modbus, Register, Bytes, Channel
]  # fmt: skip


def _name(key: MappingKey) -> str:
    return f"{key.part.__name__}.{key.name}"


@pytest.mark.parametrize("part", _PARTS)
def test_no_key_is_left_out(part: type[BaseModel]) -> None:
    listed = [key.name for key in MAPPING_KEYS if key.part is part]
    assert len(listed) == len(set(listed))
    assert set(listed) == {name for name, _ in keys(part)} - _OTHERS.get(part, set())


@pytest.mark.parametrize("key", MAPPING_KEYS, ids=_name)
def test_an_example_parses_and_a_wrong_value_is_refused(key: MappingKey) -> None:
    parse(file_with(key, example(key)))
    assert refusal(key)
    assert key.unit
