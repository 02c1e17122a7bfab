"""A key that stands twice in an object: nobody knows which of its values is meant."""

from __future__ import annotations

import pytest

from services.ingest.decode import decoder_for
from services.ingest.decode.observation import UndecodableError
from services.ingest.quarantine.reasons import Reason

NATIVE = decoder_for("native", {}, [])
JSON = decoder_for("json", {}, [{"id": "x", "from": "a.x"}])
SENML = decoder_for("senml", {}, [{"id": "x"}])


@pytest.mark.parametrize(
    "payload",
    [
        b'{"ts": 1795456800, "values": {"a": 1, "a": 2}}',
        b'{"ts": 1795456800, "values": {"a" : 1, "b": 3, "a" : 2}}',
        b'{"ts": 1795456800, "ts": 1795456801, "values": {"a": 1}}',
        b'{"ts": 1795456800, "values": {"a": 1}, "values": {"b": 1}}',
        b'{"ts": 1795456800, "values": {"a": {"v": 1, "v": 2}}}',
        b'{"ts": 1795456800, "values": {"a": {"v": 1, "q": "good", "q": "bad"}}}',
        b'{"ts": 1795456800, "values": {"a": 1}, "seq": 1, "seq": 2}',
        b'{"ts": 1795456800, "values": {"a": 1, "\\u0061": 2}}',
        b'[{"ts": 1, "values": {}}, {"ts": 1795456800, "values": {"a": 1, "a": 2}}]',
        # written so that as many quotation marks are left as there were
        b'{"ts": 1795456800, "values": {"\\u0022\\u0022": 1, "b": 1, "b": 2}}',
        # not as it should be for another reason too
        b'{"ts": 1795456800, "values": {"a": NaN, "a": 2}}',
    ],
)
def test_tonnes_own_format(payload: bytes) -> None:
    with pytest.raises(UndecodableError, match="stands twice in one object") as caught:
        NATIVE(payload, 0)
    assert caught.value.reason is Reason.REPEATED_KEY


@pytest.mark.parametrize(
    "beside",
    [
        b'"seq": 1, "seq": 2',
        b'"seq": 1, "\\u0073eq": 2',
        # as many quotation marks as in what was learned of the device
        b'"values": {"a": 1}',
        b'"ts": 3, "seq": 1',
        b'"seq": 1, "note": 1, "note": 2',
        b'"seq": 1, "more": {"\\u0022\\u0022": 1, "b": 1, "b": 2}',
        b'"seq": 1, "more": [{"b": 1, "b": 2}]',
        b'"seq": "\\u0022", "note": "x", "seq": 1',
        b'"seq": {"b": "c", "b": "c"}',
    ],
)
def test_tonnes_own_format_after_the_device_is_known(beside: bytes) -> None:
    decode = decoder_for("native", {}, [])
    for known in (b'"seq": 1, "note": "x"', b'"more": {"b": 1}', b'"seq": "word", "more": []'):
        payload = b'{"ts": 1795456800, "values": {"a": 1}, %b}' % known
        assert [o.value for o in decode(payload, 0).observations] == [1.0]
    with pytest.raises(UndecodableError, match="stands twice in one object") as caught:
        decode(b'{"ts": 1795456800, "values": {"a": 2}, %b}' % beside, 0)
    assert caught.value.reason is Reason.REPEATED_KEY


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a": {"x": 1, "x": 2}}',
        b'{"a": {"x": 1}, "a": {"x": 2}}',
        b'{"a": {"x": 1}, "other": [{"y": 1, "y": 1}]}',
        b'{"a": {"x": "\\u0022\\u0022", "y": 1, "y": 2}}',
        b'{"a.x": 1, "y": 1, "y": 2}',
        b'{"a.x": "10:30", "y": 1, "y": 2}',
        # with as many colons as keys are left, each where the other's belongs
        b'{"a.x": "10:30", "y" : 1, "y": 2}',
        b'{"a.x": "10:30", "y"\n: 1, "y"\t: 2, "z": "\\":"}',
        b'{"a.x": "\\":", "y" : 1, "y": 2}',
        b'["ab", {"x": 1, "x": {"y": 1}}]',
        b'[{"y": 1}, {"x": 1, "x": 2}]',
    ],
)
def test_foreign_json(payload: bytes) -> None:
    with pytest.raises(UndecodableError) as caught:
        JSON(payload, 0)
    assert caught.value.reason is Reason.REPEATED_KEY


def test_senml() -> None:
    with pytest.raises(UndecodableError) as caught:
        SENML(b'[{"n": "x", "v": 1, "v": 2}]', 0)
    assert caught.value.reason is Reason.REPEATED_KEY


@pytest.mark.parametrize(
    "payload",
    [
        b'{"ts": "2026-11-23T18:00:00Z", "values": {"a": {"v": 1, "u": null, "q": null}}}',
        b'{"ts": 1795456800, "values": {"a": 1}, "note": "a \\"word\\" \\u00e4 \\u0022", "a": []}',
        b'{"ts": 1795456800, "values": {"a": {"v": 1, "note": {"v": 1}}}}',
    ],
)
def test_what_looks_like_it_is_taken(payload: bytes) -> None:
    assert [o.value for o in NATIVE(payload, 0).observations] == [1.0]


def test_a_number_of_thousands_of_digits_and_endless_nesting_have_words_of_their_own() -> None:
    for payload, what in (
        (b'{"ts": 1, "values": {"a": 1%s}}' % (b"0" * 4300), "thousands of digits"),
        (b"[" * 100_000, "nested too deeply"),
    ):
        for decode in (NATIVE, JSON, SENML):
            with pytest.raises(UndecodableError, match=what):
                decode(payload, 0)
