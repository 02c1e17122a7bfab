"""What hours and days of a stack say in HJ 212, and what they leave out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from services.core.accounting.hj212.frames import Edition, read
from services.core.accounting.hj212.messages import Station, of_stack
from services.core.accounting.hj212.stack import (
    MeasuredInput,
    MeasuredPollutant,
    StackHour,
    groups,
    of_day,
    of_hour,
)
from services.core.accounting.stack.inputs import Basis

START = datetime(2026, 11, 21, 16, tzinfo=UTC)
HOUR = timedelta(hours=1)
STATION = Station(mn="010000A8900016F000169DC0", password="123456", edition=Edition.E2025)


def measured(average: str, basis: Basis | None = Basis.DRY, role: str = "co2") -> MeasuredInput:
    unit = "g/Nm3" if role == "co2" else "Nm3/h"
    return MeasuredInput(
        role=role, average=Decimal(average), unit=unit, basis=basis, letter="N"
    )  # fmt: skip


def hour(number: int = 0, letter: str = "N", *, kg: str | None = "1000.5") -> StackHour:
    return StackHour(
        begins=START + number * HOUR,
        co2_kg=None if kg is None else Decimal(kg),
        substituted=False,
        operating_s=Decimal(3600),
        letter=letter,
        inputs=[measured("100.5")],
    )


def test_an_hour_of_dry_gas_is_sent_as_it_is() -> None:
    (time, co2) = groups(START, of_hour(hour()), Edition.E2017)
    assert time == "DataTime=20261122000000"
    assert co2 == "a05001-Cou=1000.500,a05001-Avg=100500.000,a05001-Flag=N"


@pytest.mark.parametrize(
    ("basis", "moisture", "sent", "why"),
    [
        (Basis.WET, "20", "125625.000", None),
        (Basis.WET, None, None, "measured wet and no moisture is recorded"),
        (None, "20", None, "its basis is not stated"),
    ],
)
def test_wet_gas_is_sent_dry_or_not_at_all(
    basis: Basis | None, moisture: str | None, sent: str | None, why: str | None
) -> None:
    inputs = [measured("100.5", basis)]
    if moisture is not None:
        inputs.append(
            MeasuredInput(role="h2o", average=Decimal(moisture), unit="%", basis=None, letter="N")
        )
    wet = StackHour(
        begins=START, co2_kg=Decimal(1), substituted=False, operating_s=Decimal(3600), letter="N",
        inputs=inputs,
    )  # fmt: skip
    content = of_hour(wet)
    co2 = groups(START, content, Edition.E2025)[1]
    assert (f"a05001-Avg={sent}" in co2) is (sent is not None)
    assert ("a05001-Avg" in co2) is (sent is not None)
    assert [why is not None and why in reason for reason in content.left_out] == [True] * (
        why is not None
    )


def test_a_substitute_is_told_and_not_sent() -> None:
    filled = StackHour(
        begins=START, co2_kg=Decimal(1200), substituted=True, operating_s=Decimal(3600), letter="C"
    )
    content = of_hour(filled)
    assert groups(START, content, Edition.E2025)[1] == "a05001-Flag=C"
    assert content.left_out == ("a05001-Cou: 1200 kg are a substitute",)


def test_pollutants_have_their_codes_and_what_has_none_is_told() -> None:
    def pollutant(name: str) -> MeasuredPollutant:
        return MeasuredPollutant(
            name=name, substance=name, average=Decimal("35.04"), at_reference=Decimal("49.9"),
            mass_kg=Decimal("12.5"), letter="N",
        )  # fmt: skip

    with_gases = StackHour(
        begins=START, co2_kg=Decimal(1), substituted=False, operating_s=Decimal(3600), letter="N",
        pollutants=[pollutant("nox"), pollutant("toc")],
    )  # fmt: skip
    content = of_hour(with_gases)
    expected = "a21002-Cou=12.500,a21002-Avg=35.04,a21002-ZsAvg=49.90,a21002-Flag=N"
    assert groups(START, content, Edition.E2025)[2] == expected
    assert groups(START, content, Edition.E2017)[2] == expected.replace("35.04", "35.0").replace(
        "49.90", "49.9"
    )
    assert content.left_out == ("toc: no code of HJ 212 is known for it here",)


@pytest.mark.parametrize(
    ("letters", "kg", "letter"),
    [
        ("N" * 24, "24012.0", "N"),
        ("N" * 20 + "F" * 4, "20010.0", "N"),
        ("F" * 24, "0", "F"),
        ("N" * 20 + "CDDD", None, "D"),
        ("N" * 23, None, "B"),
    ],
)
def test_a_day_has_a_sum_where_each_hour_has_a_mass(
    letters: str, kg: str | None, letter: str
) -> None:
    hours = {
        START + number * HOUR: of_hour(hour(number, each, kg="1000.5" if each == "N" else None))
        for number, each in enumerate(letters)
    }
    day = of_day(hours, START)
    assert day.letter == letter
    assert day.quantities[0].amount == (None if kg is None else Decimal(kg))
    assert bool(day.left_out) is (kg is None)


def test_messages_have_times_of_their_own_and_days_are_those_of_beijing() -> None:
    hours = [hour(number) for number in range(26)]
    now = datetime(2026, 11, 23, 1, 2, 3, 999000, tzinfo=UTC)
    span = {"begins": START - HOUR, "ends": START + 48 * HOUR, "now": now}
    by_hour = of_stack(hours, STATION, period="hour", **span)
    requests = [read(message.frames[0]).frame.request for message in by_hour]
    assert requests[:2] == ["20261123090203999", "20261123090204000"]
    assert len(set(requests)) == 26
    first, second = of_stack(hours, STATION, period="day", **span)
    assert (first.begins, first.letter, second.letter) == (START, "N", "B")
    assert b"DataTime=20261122000000;a05001-Cou=24012.000," in first.frames[0]
    assert b"Cou" not in second.frames[0]
