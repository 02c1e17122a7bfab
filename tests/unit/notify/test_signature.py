from __future__ import annotations

import pytest

from services.notify.signature import SecretError, key_of, sign


@pytest.mark.vector
def test_the_published_example_of_standard_webhooks() -> None:
    signed = sign(
        key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp_s=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_any_other_text_is_the_key_itself() -> None:
    assert key_of("a plain secret") == b"a plain secret"


def test_every_part_is_signed() -> None:
    whole = {"message_id": "a", "timestamp_s": 1, "body": b"x"}
    signatures = {
        sign(b"key", **{**whole, **change})  # type: ignore[arg-type]
        for change in ({}, {"message_id": "b"}, {"timestamp_s": 2}, {"body": b"y"})
    }
    assert len(signatures) == 4


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64!"])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(SecretError):
        key_of(secret)
