"""Messages of MSCONS become the readings of one register, or of several by a table file."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from services.core.facility.table_file import parse_table
from services.core.timeline.instants import from_us, rfc3339
from services.ingest.files import edifact, formats
from services.ingest.files.formats import Reading
from services.ingest.files.rows import NO_TIME, Misshapen, Names, Stated, UnusableFileError

#: Each segment is written as the BDEW's message description of MSCONS 2.4c gives it as an example.
UNB = "UNB+UNOC:3+4012345678901:14+4012345678901:14+200426:1151+ABC4711++TL"
PROFILE = "1-1?:1.29.0"


def message(number: str, *segments: str, function: str = "9", reference: str = "") -> list[str]:
    return [
        f"UNH+{number}+MSCONS:D:04B:UN:2.4c",
        f"BGM+7+MSI{number}+{function}",
        "DTM+137:202106011315?+00:303",
        *([f"RFF+ACW:{reference}"] if reference else []),
        "RFF+Z13:13018",
        "NAD+MS+4012345678901::9",
        "NAD+MR+9920455302123::293",
        "UNS+D",
        "NAD+DP",
        *segments,
        f"UNT+17+{number}",
    ]


def place(location: str, register: str) -> list[str]:
    return [
        f"LOC+172+{location}",
        "DTM+163:202101012300?+00:303",
        "DTM+164:202101022300?+00:303",
        "RFF+MG:8465929523",
        "LIN+1",
        f"PIA+5+{register}:SRW",
    ]


def quarter(start: str, end: str, amount: str, *more: str) -> list[str]:
    return [f"QTY+{amount}", f"DTM+163:{start}:303", f"DTM+164:{end}:303", *more]


def interchange(
    path: Path, *messages: list[str], una: str = "UNA:+.? '", unb: str = UNB, newline: str = ""
) -> Path:
    segments = [unb, *(segment for one in messages for segment in one), "UNZ+1+ABC4711"]
    text = una + newline + "".join(f"{segment}'{newline}" for segment in segments)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def read(
    path: Path, *, table: str | None = None, channel: str | None = "meter.import"
) -> tuple[list[tuple[str, str, float | None, str, str]], list[str]]:
    names = Names()
    stated = Stated(facility="f", channel=None if table else channel)
    reading = Reading(stated=stated, names=names, table=None if not table else parse_table(table))
    rows: list[tuple[str, str, float | None, str, str]] = []
    problems: list[str] = []
    for piece in formats.read(path, reading, lambda _: None):
        if isinstance(piece, Misshapen):
            problems.append(piece.detail)
            continue
        for i in range(piece.line.size):
            if piece.ts_us[i] == NO_TIME:
                problems.append(f"time {piece.raw(i)[0]}")
                continue
            rows.append(
                (
                    ".".join(names.places.words[piece.place[i]][1:]),
                    rfc3339(from_us(int(piece.ts_us[i]))),
                    None if piece.missing[i] else float(piece.value[i]),
                    names.units.words[piece.unit[i]],
                    names.qualities.words[piece.quality[i]],
                )
            )
    return rows, problems


@pytest.mark.vector
def test_a_load_profile_with_each_kind_of_value(tmp_path: Path) -> None:
    path = interchange(
        tmp_path / "MSCONS_TL_9900_9911_20210102_1.txt",
        message(
            "1",
            *place("DE00014559929E00856996N5139699L01", PROFILE),
            *quarter("202101012300?+00", "202101012315?+00", "220:4250.465"),
            # local winter time, substituted: the method and the reason stand behind it
            *quarter("202101020015?+01", "202101020030?+01", "67:4.123", "STS+Z32++Z92"),
            *quarter("202101012330?+00", "202101012345?+00", "201:1"),
            *quarter("202101012345?+00", "202101020000?+00", "187:2"),
            *quarter("202101020000?+00", "202101020015?+00", "20:3"),
            *quarter("202101020015?+00", "202101020030?+00", "Z30:0"),
            *quarter("202101020030?+00", "202101020045?+00", "79:-4.987:KWH"),
            *quarter("202101020045?+00", "202101020100?+00", "Z18:5"),
            *quarter("202101020100?+00", "202101020115?+00", "Z31:6"),
        ),
    )
    rows, problems = read(path)
    assert problems == []
    assert rows == [
        ("meter.import", "2021-01-01T23:00:00Z", 4250.465, "kWh", "good"),
        ("meter.import", "2021-01-01T23:15:00Z", 4.123, "kWh", "uncertain"),
        ("meter.import", "2021-01-01T23:30:00Z", 1.0, "kWh", "uncertain"),
        ("meter.import", "2021-01-01T23:45:00Z", 2.0, "kWh", "uncertain"),
        ("meter.import", "2021-01-02T00:00:00Z", 3.0, "kWh", "bad"),
        ("meter.import", "2021-01-02T00:15:00Z", None, "kWh", "good"),
        ("meter.import", "2021-01-02T00:30:00Z", -4.987, "kWh", "good"),
        ("meter.import", "2021-01-02T00:45:00Z", 5.0, "kWh", "uncertain"),
        # no quality of tonne's: refused by that name where it is judged
        ("meter.import", "2021-01-02T01:00:00Z", 6.0, "kWh", "Z31"),
    ]


TABLE = """
time: {column: time, timezone: Europe/Berlin}
values:
  - {channel: grid.profile, column: value, unit: {column: unit}, where: {register: "1-1:1.29.0", length: 900}}
  - {channel: grid.export, column: value, unit: {column: unit}, where: {register: "1-1:2.29.0"}}
  - channel: grid.import
    column: value
    unit: {column: unit}
    quality: {column: quality, map: {good: good, uncertain: uncertain}}
    where: {register: "1-1:1.8.0", location: DE-A, meter: 8465929523}
"""  # noqa: E501 - one line a channel


@pytest.mark.vector
def test_registers_and_profiles_of_several_messages(tmp_path: Path) -> None:
    path = interchange(
        tmp_path / "day.edi.gz",
        message(
            "1",
            *place("DE-A", PROFILE),
            *quarter("202103272345?+00", "202103280000?+00", "220:1,5"),
            # an amount of a month is no quarter hour
            *quarter("202102282300?+00", "202103312200?+00", "220:900"),
            "LIN+2",
            "PIA+5+1-1?:2.29.0:SRW",
            *quarter("202103272345?+00", "202103280000?+00", "220:.25"),
        ),
        message(
            "2",
            *place("DE-A", "1-1?:1.8.0"),
            # when it was read, and for when it is used
            "QTY+220:18234.125",
            "DTM+9:20210327:102",
            "DTM+7:202103272300?+00:303",
            # by customers, without a time and offset: midnight where the meter is
            "QTY+67:18300",
            "DTM+9:20210701:102",
            *place("DE-B", "1-1?:1.8.0"),
            "QTY+220:7",
            "DTM+7:202103272300?+00:303",
        ),
        una="UNA:+,? '",
        newline="\r\n",
    )
    rows, problems = read(path, table=TABLE)
    assert problems == []
    assert sorted(rows) == [
        ("grid.export", "2021-03-27T23:45:00Z", 0.25, "kWh", ""),
        ("grid.import", "2021-03-27T23:00:00Z", 18234.125, "kWh", "good"),
        ("grid.import", "2021-06-30T22:00:00Z", 18300.0, "kWh", "uncertain"),
        ("grid.profile", "2021-03-27T23:45:00Z", 1.5, "kWh", ""),
    ]
    with pytest.raises(UnusableFileError, match=r"4 registers \(DE-A 1-1:1.29.0, .*where"):
        read(path)


def test_a_message_that_is_taken_back_counts_no_more(tmp_path: Path) -> None:
    day = place("DE-A", PROFILE)
    path = interchange(
        tmp_path / "corrected.edi",
        message("1", *day, *quarter("202101012300?+00", "202101012315?+00", "220:1")),
        message("2", "LOC+172", function="1", reference="MSI1"),
        message("3", *day, *quarter("202101012300?+00", "202101012315?+00", "220:2")),
        # of another file
        message("4", "LOC+172", function="1", reference="MSI0"),
    )
    rows, problems = read(path)
    assert [value for _, _, value, _, _ in rows] == [2.0]
    assert len(problems) == 1
    assert "message MSI0, which is not in this file" in problems[0]


def test_other_characters_than_the_usual(tmp_path: Path) -> None:
    path = tmp_path / "own.edi"
    segments = [
        "UNB|UNOC*3|1|2|210101*0000|1",
        "UNH|1|MSCONS*D*04B*UN*2.4c",
        "BGM|7|what!~ever!!|9",
        "LOC|172|a!|b!!!*c",
        "LIN|1",
        "PIA|5|1-1:1.29.0*SRW",
        "QTY|220*1,5",
        "DTM|163*202101012300+00*303",
        "UNT|8|1",
    ]
    path.write_text("UNA*|,! ~" + "~".join(segments) + "~")
    table = (
        "time: {column: time}\nvalues: [{channel: m.e, column: value, where: {location: a|b!*c}}]"
    )
    rows, _ = read(path, table=table)
    assert rows == [("m.e", "2021-01-01T23:00:00Z", 1.5, "", "")]


def test_what_is_read_in_pieces_is_read_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = [
        *place("a?'b?+c??", PROFILE),
        *quarter("202101012300?+00", "202101012315?+00", "220:1"),
        *quarter("202101012315?+00", "202101012330?+00", "220:2"),
    ]
    path = interchange(tmp_path / "day.edi", message("1", *day), newline="\n")
    whole = list(edifact.segments(path, frozenset({"LOC", "QTY", "DTM"}), lambda _: None))
    assert whole[1][1] == [["LOC"], ["172"], ["a'b+c?"]]
    for size in (10, 11, 12, 13):
        monkeypatch.setattr(edifact, "_BLOCK", size)
        assert (
            list(edifact.segments(path, frozenset({"LOC", "QTY", "DTM"}), lambda _: None)) == whole
        )


def test_a_time_that_is_none_is_refused_as_it_stands(tmp_path: Path) -> None:
    day = place("DE-A", PROFILE)
    bad = ["202101012360?+00", "20210101", "202101012300?+25"]
    quarters = [segment for time in bad for segment in quarter(time, time, "220:1")]
    path = interchange(tmp_path / "day.edi", message("1", *day, *quarters, "QTY+220:2"))
    assert read(path) == (
        [],
        ["time 202101012360+00:303", "time 20210101:303", "time 202101012300+25:303", "time "],
    )


WHOLE = message("1", *place("a", PROFILE), *quarter("202101012300?+00", "202101012315?+00", "67:1"))


@pytest.mark.parametrize(
    ("segments", "unb", "sentence"),
    [
        ([], UNB, "no MSCONS message"),
        ([s.replace("MSCONS:D:04B", "UTILMD:D:11A") for s in WHOLE], UNB, "'UTILMD', not MSCONS"),
        (WHOLE, f"{UNB}++++1", "marked it as a test"),
        (WHOLE[:-1], UNB, "cut off in message MSI1"),
        ([*WHOLE, "X" * 70_000], UNB, "is no EDIFACT|cut off"),
    ],
)
def test_a_file_that_is_none_is_told(
    tmp_path: Path, segments: list[str], unb: str, sentence: str
) -> None:
    path = interchange(tmp_path / "day.edi", segments, unb=unb)
    if segments and segments[-1].startswith("X"):
        path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UnusableFileError, match=sentence):
        read(path)


def test_a_text_that_is_no_interchange_needs_a_table_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("time;value\n")
    with pytest.raises(UnusableFileError, match="--table"):
        read(path)
    other = tmp_path / "rows.edi"
    other.write_text("time;value\n")
    with pytest.raises(UnusableFileError, match="must end in"):
        read(other)
    with pytest.raises(UnusableFileError, match="give --channel"):
        read(interchange(tmp_path / "a.edi", WHOLE), channel=None)
