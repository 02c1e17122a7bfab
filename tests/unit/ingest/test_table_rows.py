"""Tables of utilities and loggers become the readings that they mean."""

from __future__ import annotations

import gzip
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from openpyxl import Workbook

from services.core.facility.errors import FacilityFileError
from services.core.facility.table_file import parse_table
from services.core.timeline.instants import from_us, rfc3339, to_us
from services.ingest.decode.text_number import READERS
from services.ingest.files import date_forms, formats, workbook_lines
from services.ingest.files.formats import Reading
from services.ingest.files.local_times import ManyLocalTimes, PutBackOfMany
from services.ingest.files.number_columns import plain_numbers
from services.ingest.files.rows import (
    NO_TIME,
    FileRows,
    Misshapen,
    Names,
    Stated,
    UnusableFileError,
)

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - as clocks show it
ZONE = ZoneInfo("Europe/Vienna")
VIENNA = ManyLocalTimes(ZONE)

#: Channel, time, value (None: no value), unit, quality, line.
Told = tuple[str, str, float | None, str, str, int]


def read(
    path: Path, table: str | None, **stated: str
) -> tuple[list[Told], list[Misshapen], list[tuple[Any, Any]]]:
    """What a file tells: readings, rows that are none, and what stands where a time or value is
    none."""
    names = Names()
    reading = Reading(
        stated=Stated(**stated), names=names, table=None if table is None else parse_table(table)
    )
    told: list[Told] = []
    misshapen: list[Misshapen] = []
    raw: list[tuple[Any, Any]] = []
    for piece in formats.read(path, reading, lambda _: None):
        if isinstance(piece, Misshapen):
            misshapen.append(piece)
            continue
        told += _told(piece, names, raw)
    return told, misshapen, raw


def _told(piece: FileRows, names: Names, raw: list[tuple[Any, Any]]) -> list[Told]:
    told: list[Told] = []
    for i in range(piece.line.size):
        if piece.ts_us[i] == NO_TIME or (np.isnan(piece.value[i]) and not piece.missing[i]):
            raw.append(piece.raw(i))
            continue
        facility, device, channel = names.places.words[piece.place[i]]
        told.append(
            (
                f"{facility}/{device}.{channel}",
                rfc3339(from_us(int(piece.ts_us[i]))),
                None if piece.missing[i] else float(piece.value[i]),
                names.units.words[piece.unit[i]],
                names.qualities.words[piece.quality[i]],
                int(piece.line[i]),
            )
        )
    return told


def test_an_austrian_load_profile(tmp_path: Path) -> None:
    path = tmp_path / "profile.csv"
    text = (
        "Netz Beispiel;\nZählpunkt: AT0010000000000000000000000000001;\n"
        "Datum;Uhrzeit;Wirkenergie (kWh);Status\n"
        "30.06.2021;23:45;1.234,5;W\n"
        "30.06.2021;24:00;1,25;E\n"
        "01.07.2021;00:15;-;W\n"
        "01.07.2021;00:30;;W\n"
        "01.07.2021;00:45;1,5;?\n"
        "01.07.2021;01:00\n"
        "morgen;01:15;n.v.;W\n"
    )
    path.write_bytes(text.encode("cp1252"))
    told, misshapen, raw = read(
        path,
        """
facility: linz
encoding: cp1252
separator: ";"
skip: 2
number: comma
invalid: "-"
time: {column: [Datum, Uhrzeit], format: "%d.%m.%Y %H:%M", timezone: Europe/Vienna}
values:
  - channel: grid.energy
    column: Wirkenergie (kWh)
    unit: kWh
    quality: {column: Status, map: {W: good, E: uncertain}}
""",
    )
    assert told == [
        ("linz/grid.energy", "2021-06-30T21:45:00Z", 1234.5, "kWh", "good", 4),
        ("linz/grid.energy", "2021-06-30T22:00:00Z", 1.25, "kWh", "uncertain", 5),
        ("linz/grid.energy", "2021-06-30T22:15:00Z", None, "kWh", "good", 6),
        # no quality of tonne's: refused by that name where it is judged
        ("linz/grid.energy", "2021-06-30T22:45:00Z", 1.5, "kWh", "?", 8),
    ]
    assert misshapen == [Misshapen(line=9, detail="it has 2 cells, and the header has 4")]
    assert raw == [("morgen 01:15", "n.v.")]


def test_a_long_table_of_several_meters_with_units(tmp_path: Path) -> None:
    path = tmp_path / "meters.txt.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(
            "1625000000000|A|1-1:1.29.0|5|KWH\n"
            "1625000000000|A|1-1:2.29.0|7|KWH\n"
            "1625000000000|B|1-1:1.29.0|9|MWH\n"
            "1625000000000|C|1-1:1.29.0|9|KWH\n"
        )
    told, _, _ = read(
        path,
        """
separator: "|"
headers: false
time: {column: 1, unit: ms}
values:
  - channel: a.import
    column: 4
    where: {2: A, 3: "1-1:1.29.0"}
    unit: {column: 5, map: {KWH: kWh, MWH: MWh}}
  - {channel: a.export, column: 4, where: {2: A, 3: "1-1:2.29.0"}, unit: kWh}
  - channel: b.import
    facility: steyr
    column: 4
    where: {2: [B, D], 3: "1-1:1.29.0"}
    unit: {column: 5, map: {KWH: kWh, MWH: MWh}}
""",
        facility="linz",
    )
    time = "2021-06-29T20:53:20Z"
    assert told == [
        ("linz/a.import", time, 5.0, "kWh", "", 1),
        ("linz/a.export", time, 7.0, "kWh", "", 2),
        ("steyr/b.import", time, 9.0, "MWh", "", 3),
    ]


def test_a_row_may_hold_a_day(tmp_path: Path) -> None:
    path = tmp_path / "days.csv"
    path.write_text("Day,00:15,00:30,24:00,Sum\n2021-07-01,1,2,,3\n2021-07-02,4,5,6,15\n")
    told, _, _ = read(
        path,
        """
time: {column: Day, in_header: "%H:%M", format: "%Y-%m-%d %H:%M", timezone: Europe/Vienna}
values: [{channel: m.e}]
""",
        facility="f",
        unit="kWh",
    )
    assert [(time, value, unit) for _, time, value, unit, _, _ in told] == [
        ("2021-06-30T22:15:00Z", 1.0, "kWh"),
        ("2021-06-30T22:30:00Z", 2.0, "kWh"),
        ("2021-07-01T22:15:00Z", 4.0, "kWh"),
        ("2021-07-01T22:30:00Z", 5.0, "kWh"),
        ("2021-07-02T22:00:00Z", 6.0, "kWh"),
    ]


def workbook(path: Path, *sheets: tuple[str, list[list[Any]]]) -> Path:
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_sheet_of_a_workbook(tmp_path: Path) -> None:
    begin = datetime(2021, 7, 1)  # noqa: DTZ001 - workbooks have no zones
    path = workbook(
        tmp_path / "book.xlsx",
        ("Notes", [["nothing here"]]),
        (
            "Load",
            [
                ["A title", None, None],
                ["Time", "Energy", None],
                [begin, 1.5, None],
                [],
                [begin + timedelta(minutes=15), "n/a", "a remark"],
                [begin + timedelta(minutes=45), 2, None],
            ],
        ),
    )
    told, _, raw = read(
        path,
        """
facility: f
sheet: Load
skip: 1
time: {column: Time, timezone: Europe/Vienna}
values: [{channel: m.e, column: Energy}]
""",
    )
    assert [told_one[1:3] + told_one[5:] for told_one in told] == [
        ("2021-06-30T22:00:00Z", 1.5, 3),
        ("2021-06-30T22:45:00Z", 2.0, 6),
    ]
    assert raw == [("2021-06-30T22:15:00Z", "n/a")]


def test_a_workbook_with_tonnes_own_columns_needs_no_table_file(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "own.xlsx",
        ("1", [["time", "m.e"], ["2021-07-01T00:00:00+02:00", 1.5], ["1625090400", None]]),
    )
    told, _, _ = read(path, None, facility="f")
    assert told == [("f/m.e", "2021-06-30T22:00:00Z", 1.5, "", "", 2)]
    naive = workbook(tmp_path / "naive.xlsx", ("1", [["time", "m.e"], [datetime(2021, 7, 1), 1]]))  # noqa: DTZ001
    with pytest.raises(UnusableFileError, match="no time zone"):
        read(naive, None, facility="f")


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_the_hour_that_comes_twice_is_told_by_the_order(newest_first: bool, piece: int) -> None:
    begin = datetime(2021, 10, 30, 20, tzinfo=UTC)
    times = [begin + timedelta(minutes=15 * i) for i in range(40)]
    if newest_first:
        times.reverse()
    put_back = PutBackOfMany()
    told = []
    for start in range(0, len(times), piece):
        for time in times[start : start + piece]:
            meant = VIENNA.instants(time.astimezone(ZONE).replace(tzinfo=None, fold=0))
            assert meant is not None
            told.append(put_back.time_us(meant))
    assert told == [to_us(time) for time in times]


def test_a_time_that_no_clock_showed_is_none() -> None:
    assert VIENNA.instants(datetime(2021, 3, 28, 2, 30)) is None  # noqa: DTZ001 - a local time


FORMS = ["%d.%m.%Y %H:%M", "%Y%m%d%H%M%S", "%m/%d/%Y  %H:%M", "%Y-%m-%dT%H.%M.%S", "%d-%m-%Y"]


@pytest.mark.parametrize("form", FORMS)
def test_dates_are_read_as_strptime_reads_them(form: str) -> None:
    rng = random.Random(form)
    begin = datetime(2000, 1, 1)  # noqa: DTZ001 - what has no zone
    plain_form = date_forms.date_form(form)
    assert plain_form is not None
    sure = 0
    for _ in range(60):
        texts = []
        for _ in range(10):
            text = (begin + timedelta(seconds=rng.randrange(10**9))).strftime(form)
            if rng.random() < 0.2:
                # mistakes: another character
                at = rng.randrange(len(text))
                text = text[:at] + rng.choice("7x /") + text[at + 1 :]
            texts.append(text)
        read = date_forms.read(texts, plain_form)
        assert read is not None
        for text, us, is_plain in zip(texts, *(column.tolist() for column in read), strict=True):
            if is_plain:
                sure += 1
                assert begin.strptime(text, form) == EPOCH + timedelta(microseconds=us)
    assert sure > 400
    assert date_forms.read(["1.1.2021 0:15", "01.01.2021 00:30"], plain_form) is None


@pytest.mark.parametrize("form", ["%d-%b-%y", "%H:%M", "%Y-%m-%d %H:%M%z", "%Y-%j", "%d\t%m\t%Y"])
def test_other_forms_are_strptimes_alone(form: str) -> None:
    assert date_forms.date_form(form) is None


@pytest.mark.parametrize("kind", [None, "decimal", "comma", "point", "hex"])
def test_numbers_of_a_column_are_those_of_its_cells(kind: str | None) -> None:
    rng = random.Random(str(kind))
    characters = "0123456789.,-+ e\n"
    weights = (30, *[9] * 9, 6, 6, 1, 1, 0.3, 0.3, 0.3)
    sure = 0
    for _ in range(3000):
        cells = ["".join(rng.choices(characters, weights, k=4)) for _ in range(rng.randint(1, 3))]
        numbers = plain_numbers(cells, kind)
        if numbers is not None:
            sure += 1
            assert [READERS[kind](cell) for cell in cells] == numbers.tolist()
    assert (sure > 300) == (kind != "hex")
    assert plain_numbers(["1", 2], None) is None


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_times_are_told_in_pieces_as_one_by_one(newest_first: bool, size: int) -> None:
    begin = datetime(2021, 10, 29, tzinfo=UTC)
    times = [begin + timedelta(minutes=15 * i) for i in range(4 * 24 * 4)]
    if newest_first:
        times.reverse()
    local_us = np.array([to_us(t.astimezone(ZONE).replace(tzinfo=UTC)) for t in times])
    first_us, second_us = VIENNA.instants_us(local_us)
    put_back = PutBackOfMany()
    told = [
        put_back.times_us(first_us[i : i + size], second_us[i : i + size])
        for i in range(0, len(times), size)
    ]
    assert np.concatenate(told).tolist() == [to_us(time) for time in times]
    spring_us = np.array([to_us(datetime(2021, 3, 28, 2, 30, tzinfo=UTC))])
    assert VIENNA.instants_us(spring_us)[0].tolist() == [NO_TIME]


def test_only_the_end_of_a_day_is_midnight(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("t,e\n31.12.2024:00:15,1\n1.1.2024:24:00,2\n01.01.2024:24:00,3\n")
    told, _, raw = read(
        path,
        """
time: {column: t, format: "%d.%m.%Y:%H:%M", timezone: Europe/Vienna}
values: [{channel: m.e, column: e}]
""",
        facility="f",
    )
    assert raw == []
    assert [time for _, time, *_ in told] == [
        "2024-12-30T23:15:00Z",
        "2024-01-01T23:00:00Z",
        "2024-01-01T23:00:00Z",
    ]
    path.write_text("t,e\n2021-07-01 19:24:00,1\n2021-07-01 24:00:00,2\n")
    told, _, _ = read(
        path,
        """
time: {column: t, timezone: Europe/Vienna}
values: [{channel: m.e, column: e}]
""",
        facility="f",
    )
    assert [time for _, time, *_ in told] == ["2021-07-01T17:24:00Z", "2021-07-01T22:00:00Z"]


def test_any_quarter_hours_of_a_year_come_back(tmp_path: Path) -> None:
    rng = random.Random(5)
    zone = ZoneInfo(rng.choice(["Europe/Vienna", "America/New_York", "Australia/Lord_Howe"]))
    begin = datetime(2021, 1, 1, tzinfo=UTC)
    times = [begin + timedelta(minutes=15 * i) for i in range(4 * 24 * 365)]
    path = tmp_path / "year.csv"
    lines = [f"{time.astimezone(zone):%d/%m/%Y %H:%M},{i}" for i, time in enumerate(times)]
    path.write_text("\n".join(["when,e", *lines]) + "\n")
    told, _, raw = read(
        path,
        f"""
facility: f
time: {{column: when, format: "%d/%m/%Y %H:%M", timezone: {zone.key}}}
values: [{{channel: m.e, column: e}}]
""",
    )
    assert raw == []
    assert [(time, value) for _, time, value, _, _, _ in told] == [
        (rfc3339(time), float(i)) for i, time in enumerate(times)
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("time: {column: a}\nvalues: []", "line 2"),
        (
            "time: {column: a, in_header: '%H:%M'}\nvalues: [{channel: m.e}]",
            "in_header needs format",
        ),
        ("time: {column: a}\nvalues: [{channel: m.e}]", "a value has a column"),
        ("time: {column: a}\nvalues: [{channel: m, column: b}]", "write device.channel"),
        ("time: {column: a}\nencoding: utf-88\nvalues: [{channel: m.e, column: b}]", "no encoding"),
        ("time: {column: a, in_header: '%Y'}\nvalues: [{channel: m.e}]", "time of day"),
        ("time: {colum: a}\nvalues: [{channel: m.e, column: b}]", "column"),
        (
            "time: {column: a}\nvalues: [{channel: m.e, column: b}, {channel: m.e, column: c}]",
            "two columns in every row",
        ),
    ],
)
def test_a_table_file_that_is_wrong_says_what_to_do(text: str, sentence: str) -> None:
    with pytest.raises(FacilityFileError, match=sentence):
        parse_table(text)


@pytest.mark.parametrize(
    ("name", "table", "stated", "sentence"),
    [
        ("a.csv", "time: {column: Tim}", {}, "no column is called 'Tim'.*Time"),
        ("a.csv", "time: {column: Twice}", {}, "'Twice' is there 2 times"),
        ("a.csv", "time: {column: Time}", {"channel": "m.e"}, "leave --channel"),
        ("a.csv", "time: {column: Time}", {"facility": ""}, "no facility for m.e"),
        ("a.csv", "time: {column: Time, format: '%Y-%m-%d'}", {}, "has no offset: say timezone"),
        ("a.csv", "encoding: utf-16\ntime: {column: Time}", {}, "it is not UTF-16"),
        ("a.xlsx", "time: {column: Time}", {}, "it is no workbook"),
        ("a.parquet", "time: {column: Time}", {}, "says nothing of Parquet"),
        ("a.doc", "time: {column: Time}", {}, "its name must end in"),
    ],
)
def test_a_table_that_is_not_as_its_file_says_is_told(
    tmp_path: Path, name: str, table: str, stated: dict[str, str], sentence: str
) -> None:
    path = tmp_path / name
    path.write_text("Time,Twice,Twice,e\n2021-07-01,1,1,1\n")
    with pytest.raises(UnusableFileError, match=sentence):
        read(path, f"{table}\nvalues: [{{channel: m.e, column: e}}]", **{"facility": "f", **stated})


def test_a_text_that_only_a_table_file_explains_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("a\n")
    with pytest.raises(UnusableFileError, match="--table"):
        read(path, None)


def test_a_row_beyond_the_last_of_a_sheet_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # openpyxl gives an empty row for each number that is left out: of two thousand million
    monkeypatch.setattr(workbook_lines, "_MAX_ROWS", 3)
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(["time", "m.e"])
    sheet["A3"], sheet["B3"] = "2021-07-01T00:00:00Z", 1
    book.save(tmp_path / "a.xlsx")
    assert len(read(tmp_path / "a.xlsx", None, facility="f")[0]) == 1
    sheet["A9"] = "2021-07-01T00:15:00Z"
    book.save(tmp_path / "b.xlsx")
    with pytest.raises(UnusableFileError, match="rows beyond 3"):
        read(tmp_path / "b.xlsx", None, facility="f")
