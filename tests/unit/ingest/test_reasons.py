from __future__ import annotations

from services.ingest.quarantine.reasons import ADVICE, Reason, explain


def test_every_reason_says_what_to_do() -> None:
    assert set(ADVICE) == set(Reason)


def test_an_explanation_is_one_sentence_of_what_is_wrong_and_what_to_do() -> None:
    assert (
        explain(Reason.TOO_LARGE, "the message has 7 bytes")
        == "the message has 7 bytes; split the message: less than 1 MiB each"
    )
