from __future__ import annotations

import itertools

import pytest

from services.core.store.readings.writer import Conflict, ReadingRow
from services.ingest.corrections import Rule, Verdict, reason, verdict
from services.ingest.decode.observation import QUALITY

Sent = tuple[float | None, str]


def judged(
    rule: Rule,
    sent: Sent,
    stored: Sent,
    *,
    came: int = 2,
    stored_came: int = 1,
    replaced_before: bool = False,
    for_refused: bool = False,
) -> Verdict:
    return verdict(
        rule,
        row(sent, came),
        conflict(stored, stored_came, replaced_before=replaced_before),
        for_refused=for_refused,
    )


def row(sent: Sent, came: int = 2) -> ReadingRow:
    return ReadingRow(1, 1, 0, sent[0], QUALITY[sent[1]], 0, came)


def conflict(stored: Sent, came: int = 1, *, replaced_before: bool = False) -> Conflict:
    return Conflict(
        position=0,
        stored_value=stored[0],
        stored_quality=QUALITY[stored[1]],
        stored_received_us=came,
        replaced_before=replaced_before,
    )


@pytest.mark.parametrize(
    ("sent", "stored", "expected"),
    [
        ((1.0, "good"), (2.0, "uncertain"), Verdict.REPLACES),
        ((2.0, "good"), (2.0, "uncertain"), Verdict.REPLACES),
        ((1.0, "uncertain"), (2.0, "good"), Verdict.YIELDS),
        ((1.0, "good"), (2.0, "good"), Verdict.CONFLICT),
        ((1.0, "uncertain"), (2.0, "uncertain"), Verdict.CONFLICT),
        ((1.0, "good"), (2.0, "bad"), Verdict.REPLACES),
        ((1.0, "uncertain"), (2.0, "calibration"), Verdict.REPLACES),
        ((1.0, "bad"), (None, "good"), Verdict.REPLACES),
        ((None, "good"), (None, "bad"), Verdict.DUPLICATE),
        # that a value does not count after all is no late news
        ((1.0, "bad"), (1.0, "good"), Verdict.CONFLICT),
        ((None, "good"), (1.0, "good"), Verdict.CONFLICT),
    ],
)
def test_by_quality(sent: Sent, stored: Sent, expected: Verdict) -> None:
    assert judged(Rule.BETTER_QUALITY, sent, stored) is expected


def test_by_quality_the_same_one_stands_in_whichever_order_they_come() -> None:
    several: list[Sent] = [
        (1.0, "good"), (2.0, "uncertain"), (3.0, "bad"), (None, "good"), (4.0, "uncertain"),
    ]  # fmt: skip
    ends = set()
    for order in itertools.permutations([*several, (1.0, "good")]):
        stored: Sent | None = None
        for sent in order:
            if stored is None or judged(Rule.BETTER_QUALITY, sent, stored) is Verdict.REPLACES:
                stored = sent
        ends.add(stored)
    assert ends == {(1.0, "good")}


def test_by_arrival() -> None:
    for sent, stored in itertools.permutations(
        [(1.0, "good"), (2.0, "uncertain"), (None, "good")], 2
    ):
        assert judged(Rule.NEWEST, sent, stored) is Verdict.REPLACES
        assert judged(Rule.NEWEST, sent, stored, came=1, stored_came=2) is Verdict.YIELDS
        assert judged(Rule.NEWEST, sent, stored, replaced_before=True) is Verdict.DUPLICATE


def test_by_quality_what_a_person_replaced_does_not_come_back() -> None:
    for sent in ((1.0, "good"), (2.0, "uncertain"), (None, "good")):
        stored: Sent = (1.0, "bad")
        assert judged(Rule.BETTER_QUALITY, sent, stored, replaced_before=True) is Verdict.DUPLICATE


def test_by_hand() -> None:
    assert judged(Rule.BY_HAND, (1.0, "good"), (2.0, "uncertain")) is Verdict.CONFLICT
    assert judged(Rule.BY_HAND, (1.0, "good"), (None, "good")) is Verdict.CONFLICT


@pytest.mark.parametrize("rule", Rule)
def test_a_gap_for_a_refused_value_gives_way_and_takes_no_place(rule: Rule) -> None:
    gap: Sent = (None, "bad")
    assert judged(rule, (1.0, "good"), gap) is Verdict.REPLACES
    for stored in (gap, (1.0, "good"), (1.0, "bad"), (None, "good")):
        assert judged(rule, gap, stored, for_refused=True) is Verdict.DUPLICATE


def test_the_reason_is_the_same_in_both_orders() -> None:
    for one, other, said in (
        ((1.0, "good"), (2.0, "uncertain"), "better reading: estimated, then actual"),
        ((1.0, "good"), (None, "bad"), "better reading: a value for a gap"),
        ((1.0, "good"), (2.0, "bad"), "better reading: good for bad"),
    ):
        assert reason(Rule.BETTER_QUALITY, row(one), conflict(other)) == said
        assert reason(Rule.BETTER_QUALITY, row(other), conflict(one)) == said
