from __future__ import annotations

import pytest

from tests.fuzz.targets import TARGETS, corpus


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_that_is_kept_breaks_a_decoder(name: str) -> None:
    payloads = corpus(name)
    assert payloads
    for payload in payloads:
        TARGETS[name](payload)


# those of the families are the decoders of json a hundred times over
@pytest.mark.parametrize("name", [name for name in TARGETS if name != "families"])
def test_no_depth_and_no_length_breaks_a_decoder(name: str) -> None:
    for payload in (
        b"[" * 500_000,
        b'{"a":' * 100_000,
        b"[" * 900 + b"]" * 900,
        b'{"l":' + b"[" * 900 + b"]" * 900 + b"}",
        b"9" * 500_000,
        b'{"ts":' + b"9" * 5_000 + b',"values":{"a":1}}',
        b'"' + b"1" * 500_000 + b'"',
        b"1," * 30_000 + b"1",
        b"\x81" * 500_000,
        b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x81\xa1\x02\xc2\x5a\x00\x06\x00\x00" + b"\xff" * (6 << 16),
    ):
        TARGETS[name](payload)
