"""Whatever arrives, a decoder answers or refuses; it never breaks."""

from __future__ import annotations

import json
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, corpus

#: Keys that the mappings of the fuzzed devices look for, and SenML's labels.
_KEYS = st.sampled_from([
    "Time", "ENERGY", "Total", "Power", "StatusSNS", "params", "ts", "em:0", "emdata:0", "switch:0",
    "total_act", "total_act_power", "aenergy", "last_seen", "energy", "power", "timestamp", "value",
    "1-0:1.8.0", "1-0:1.7.0", "time", "values", "a", "c", "l", "r", "t", "x", "wh", "bn", "bt",
    "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "ut", "gas_",
])  # fmt: skip
_TEXTS = st.text(max_size=8) | st.sampled_from([
    "2026-10-25T02:30:00", "2026-03-29T02:30:00", "2026-11-23T18:00:00Z", "0001-01-01T00:00:00",
    "1e999", "12.5", "gas", "power", "urn:dev:mac:0024befffe804ff1:", "W", "m3",
])  # fmt: skip
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=6),
    max_leaves=25,
)
_CBOR = st.recursive(
    _SCALARS
    | st.binary(max_size=8)
    | st.decimals()
    | st.datetimes().map(lambda _: cbor2.undefined),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers(-8, 10) | _KEYS, inner, max_size=6)
        | st.builds(cbor2.CBORTag, st.integers(0, 70_000), inner)
    ),
    max_leaves=20,
)
_PACKS = st.lists(st.dictionaries(st.integers(-6, 8), _CBOR, max_size=6), max_size=4)


#: The decoders of families are those of json a hundred times over.
_TARGETS = [name for name in TARGETS if name != "families"]


@st.composite
def _damaged(draw: st.DrawFn, name: str) -> bytes:
    payload = bytearray(draw(st.sampled_from([good for good in corpus(name) if good])))
    for _ in range(draw(st.integers(1, 4))):
        payload[draw(st.integers(0, len(payload) - 1))] = draw(st.integers(0, 255))
    return bytes(payload)


@pytest.mark.parametrize("name", _TARGETS)
@given(data=st.data())
def test_no_bytes_and_no_damage_to_what_was_good(name: str, data: st.DataObject) -> None:
    TARGETS[name](data.draw(_damaged(name) | st.binary(max_size=300)))


@pytest.mark.parametrize("name", ["native", "json", "senml", "bodies"])
@given(document=_JSON)
def test_no_json(name: str, document: Any) -> None:
    TARGETS[name](json.dumps(document).encode())


@given(_PACKS | _CBOR)
def test_no_cbor(document: Any) -> None:
    TARGETS["senml"](cbor2.dumps(document, timezone=None))
