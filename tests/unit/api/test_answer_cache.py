"""Answers that are kept take no more room than they are given."""

from __future__ import annotations

from fastapi.responses import Response, StreamingResponse

from services.api.admission import spending
from services.api.admission.spending import Spending
from services.api.http.answer_cache import AnswerCache
from services.api.http.validators import Validator


def test_those_that_were_asked_for_last_stay() -> None:
    answers = AnswerCache(max_bytes=250)
    first, second, third = (Validator(name) for name in ("first", "second", "third"))
    for validator in (first, second):
        answers.keep(validator, Response(b"x" * 100, headers=validator.headers), rows=1)
    assert answers.answer(first) is not None
    answers.keep(third, Response(b"y" * 100, headers=third.headers), rows=1)
    assert answers.answer(second) is None
    last = answers.answer(third)
    assert last is not None
    assert (last.body, last.headers["etag"]) == (b"y" * 100, third.tag)


def test_what_is_too_large_or_sent_in_parts_is_made_each_time() -> None:
    answers = AnswerCache(max_bytes=250)
    small, large, parts = (Validator(name) for name in ("small", "large", "parts"))
    answers.keep(small, Response(b"x"), rows=1)
    answers.keep(large, Response(b"x" * 251), rows=1)
    answers.keep(parts, StreamingResponse(iter([b"x"])), rows=1)
    assert [answers.answer(validator) is not None for validator in (small, large, parts)] == [
        True,
        False,
        False,
    ]


def test_each_who_is_sent_an_answer_spends_its_rows() -> None:
    answers, validator, cost = AnswerCache(), Validator("rows"), Spending()
    answers.keep(validator, Response(b"x"), rows=12)
    before = spending.current.set(cost)
    answers.answer(validator)
    spending.current.reset(before)
    assert cost.rows == 12


def test_an_answer_that_is_sent_cannot_change_the_kept_one() -> None:
    """Middlewares write into the headers of what is sent."""
    answers, validator = AnswerCache(), Validator("sent")
    answers.keep(validator, Response(b"x"), rows=1)
    for _ in range(2):
        sent = answers.answer(validator)
        assert sent is not None
        assert "content-encoding" not in sent.headers
        sent.headers["content-encoding"] = "gzip"
