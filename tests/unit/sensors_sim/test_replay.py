from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from sensors_sim.broker import Broker
from sensors_sim.csv_series import BadFileError, read_series
from sensors_sim.replay import Replay, messages, total

SAMPLE = Path(__file__).parents[2] / "fixtures" / "household-hourly-kwh-2023-01.csv"


def job(*, twice: bool = False, shuffle_seed: int | None = None) -> Replay:
    return Replay(
        broker=Broker(host="127.0.0.1", port=1883),
        facility="home",
        device="household",
        channel="energy",
        twice=twice,
        shuffle_seed=shuffle_seed,
    )


def test_the_sample_has_744_values_that_sum_to_980_797_kwh() -> None:
    points = read_series(SAMPLE)
    assert len(points) == 744
    assert total(points) == Decimal("980.797")


def test_each_message_carries_one_value_and_its_own_time() -> None:
    first = messages(job(), read_series(SAMPLE))[0]
    assert first.topic == "emissions/home/household/readings"
    assert json.loads(first.payload) == {"ts": "2022-12-31T22:00:00Z", "values": {"energy": 0.735}}


def test_twice_and_shuffled_is_the_same_messages_in_another_order() -> None:
    points = read_series(SAMPLE)
    plain = messages(job(), points)
    mixed = messages(job(twice=True, shuffle_seed=5), points)
    assert sorted(m.payload for m in mixed) == sorted(m.payload for m in plain * 2)
    assert mixed != plain * 2
    assert mixed == messages(job(twice=True, shuffle_seed=5), points)
    assert mixed != messages(job(twice=True, shuffle_seed=6), points)


def test_epoch_times_gaps_and_qualities_are_understood(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(
        "time,value,quality\n1795456800,1.5,OK\n1795456860250,,bad\n2026-11-23T20:02:00+02:00,2,\n"
    )
    payloads = [json.loads(m.payload) for m in messages(job(), read_series(file))]
    assert payloads == [
        {"ts": "2026-11-23T18:00:00Z", "values": {"energy": 1.5}},
        {"ts": "2026-11-23T18:01:00.250000Z", "values": {"energy": {"v": None, "q": "bad"}}},
        {"ts": "2026-11-23T18:02:00Z", "values": {"energy": 2.0}},
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1: the header must be"),
        ("when,what\n", "line 1: the header must be"),
        ("time,value\n", "no values: nothing to replay"),
        ("time,value\n2026-01-01T00:00:00Z,1\n\nyesterday,2\n", "line 4: 'yesterday' is no time"),
        ("time,value\n2026-01-01T00:00:00,1\n", "line 2: the time .* has no offset: add Z"),
        ("time,value\n2026-01-01T00:00:00Z,1;5\n", "line 2: '1;5' is no number"),
        ("time,value\n2026-01-01T00:00:00Z,NaN\n", "line 2: 'NaN' is no finite number"),
        ("time,value\n2026-01-01T00:00:00Z\n", "line 2: 1 fields where the header has 2"),
        ("time,value,quality\n2026-01-01T00:00:00Z,1,fine\n", "line 2: quality 'fine'"),
        ("time,value\n1e300,1\n", "line 2: '1e300' is no time that a calendar knows"),
        ("time,value\nNaN,1\n", "line 2: 'NaN' is no time"),
        ('time,value\n"2026,1\n', "line 2: not CSV"),
        (
            "time,value\n2026-01-01T00:00:00Z,1\n2026-01-01T01:00:00+01:00,2\n",
            "line 3: the time of line 2 again, with another value",
        ),
    ],
)
def test_a_bad_file_is_one_sentence_that_names_the_line(
    tmp_path: Path, text: str, sentence: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    with pytest.raises(BadFileError, match=sentence) as caught:
        read_series(file)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="cannot read"):
        read_series(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadFileError, match="not UTF-8"):
        read_series(tmp_path / "b.csv")
