"""Files of Green Button become the readings of one meter, or of several by a table file."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.core.facility.table_file import parse_table
from services.core.timeline.instants import from_us, rfc3339
from services.ingest.files import formats
from services.ingest.files.formats import Reading
from services.ingest.files.rows import FileRows, Names, Stated, UnusableFileError

_ROOT = "/espi/1_1/resource"
_USAGE = f"{_ROOT}/RetailCustomer/9B6C7066/UsagePoint/5446AF3F"


def entry(own: str, up: str, content: str, *related: str) -> str:
    links = "".join(f'<link rel="related" href="{link}"/>' for link in related)
    return (
        f'<entry><link rel="self" href="{own}"/><link rel="up" href="{up}"/>{links}'
        f"<content>{content.replace('<', '<', 1)}</content></entry>"
    )


def reading_type(number: str, *, uom: int = 72, power: int = 0, flow: int = 1) -> str:
    own = f"{_ROOT}/ReadingType/{number}"
    content = (
        '<ReadingType xmlns="http://naesb.org/espi">'
        f"<flowDirection>{flow}</flowDirection><intervalLength>900</intervalLength>"
        f"<powerOfTenMultiplier>{power}</powerOfTenMultiplier><uom>{uom}</uom></ReadingType>"
    )
    return entry(own, f"{_ROOT}/ReadingType", content)


def meter_reading(number: str, of_type: str | None) -> str:
    own = f"{_USAGE}/MeterReading/{number}"
    content = '<MeterReading xmlns="http://naesb.org/espi"/>'
    related = [f"{own}/IntervalBlock"]
    if of_type is not None:
        related.append(f"{_ROOT}/ReadingType/{of_type}")
    return entry(own, f"{_USAGE}/MeterReading", content, *related)


def block(number: str, *readings: tuple[int, str, str]) -> str:
    up = f"{_USAGE}/MeterReading/{number}/IntervalBlock"
    told = "".join(
        "<IntervalReading>"
        + (f"<ReadingQuality><quality>{quality}</quality></ReadingQuality>" if quality else "")
        + f"<timePeriod><duration>900</duration><start>{start}</start></timePeriod>"
        + f"<value>{value}</value></IntervalReading>"
        for start, value, quality in readings
    )
    return entry(
        f"{up}/173", up, f'<IntervalBlock xmlns="http://naesb.org/espi">{told}</IntervalBlock>'
    )


def feed(path: Path, *entries: str) -> Path:
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom">'
        f"<title>Green Button Subscription Feed</title>{''.join(entries)}</feed>"
    )
    return path


def read(
    path: Path, *, table: str | None = None, channel: str | None = "meter.import"
) -> list[tuple[str, str, float, str, str]]:
    names = Names()
    stated = Stated(facility="f", channel=None if table else channel)
    reading = Reading(stated=stated, names=names, table=None if not table else parse_table(table))
    told = []
    for piece in formats.read(path, reading, lambda _: None):
        assert isinstance(piece, FileRows)
        told += [
            (
                ".".join(names.places.words[piece.place[i]][1:]),
                rfc3339(from_us(int(piece.ts_us[i]))),
                float(piece.value[i]),
                names.units.words[piece.unit[i]],
                names.qualities.words[piece.quality[i]],
            )
            for i in range(piece.line.size)
        ]
    return told


def test_intervals_of_one_meter(tmp_path: Path) -> None:
    # 282 Wh at 2012-03-01T05:00:00Z, estimated: the first reading of the feed that the Green Button
    # Alliance publishes as an example
    path = feed(
        tmp_path / "usage.xml",
        meter_reading("01", "07"),
        block("01", (1330578000, "282", "8"), (1330578900, "323", "")),
        reading_type("07", power=1),
        block("01", (1330579800, "294", "17"), (1330580700, "331", "99")),
    )
    assert read(path) == [
        ("meter.import", "2012-03-01T05:00:00Z", 2820.0, "Wh", "uncertain"),
        ("meter.import", "2012-03-01T05:15:00Z", 3230.0, "Wh", "good"),
        ("meter.import", "2012-03-01T05:30:00Z", 2940.0, "Wh", "good"),
        ("meter.import", "2012-03-01T05:45:00Z", 3310.0, "Wh", "99"),
    ]


def test_meters_are_told_apart_by_a_table_file(tmp_path: Path) -> None:
    path = feed(
        tmp_path / "usage.xml",
        reading_type("1"),
        reading_type("2", flow=19),
        reading_type("3", uom=169),
        meter_reading("a", "1"),
        meter_reading("b", "2"),
        meter_reading("c", "3"),
        block("a", (0, "1", "")),
        block("b", (0, "2", "")),
        block("c", (0, "3", "")),
    )
    with pytest.raises(UnusableFileError, match=r"3 meter readings \(a, b, c\)"):
        read(path)
    table = """
time: {column: end}
values:
  - {channel: m.import, column: value, where: {meter_reading: a}, unit: {column: unit}}
  - {channel: m.export, column: value, where: {flow: export}, unit: {column: unit}}
  - {channel: gas.heat, column: value, where: {unit: therm}, unit: {column: unit}}
"""
    assert [told[:4] for told in read(path, table=table)] == [
        ("m.import", "1970-01-01T00:15:00Z", 1.0, "Wh"),
        ("m.export", "1970-01-01T00:15:00Z", 2.0, "Wh"),
        ("gas.heat", "1970-01-01T00:15:00Z", 3.0, "therm"),
    ]


def test_a_type_that_no_link_names_is_meant_where_it_is_the_only_one(tmp_path: Path) -> None:
    blocks = (meter_reading("1", None), block("1", (0, "5", "")))
    alone = feed(tmp_path / "alone.xml", reading_type("7"), *blocks)
    assert [told[2] for told in read(alone)] == [5.0]
    two = feed(tmp_path / "two.xml", reading_type("7"), reading_type("8", power=3), *blocks)
    with pytest.raises(UnusableFileError, match="which of its 2 ReadingTypes"):
        read(two)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<feed", "no XML"),
        ('<feed xmlns="http://www.w3.org/2005/Atom"/>', "no Green Button file"),
        (
            '<!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "'
            + "&a;" * 100
            + '"><!ENTITY c "'
            + "&b;" * 100
            + '"><!ENTITY d "'
            + "&c;" * 1000
            + '">]><feed xmlns="http://www.w3.org/2005/Atom"><title>&d;</title></feed>',
            "no XML",
        ),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(UnusableFileError, match=sentence):
        read(path)


def test_what_is_not_counted_in_a_unit_of_tonne_is_told(tmp_path: Path) -> None:
    path = feed(tmp_path / "a.xml", reading_type("1", uom=63))
    with pytest.raises(UnusableFileError, match="uom 63"):
        read(path)


def test_a_channel_is_asked_for(tmp_path: Path) -> None:
    path = feed(tmp_path / "a.xml", reading_type("1"), block("1", (0, "5", "")))
    with pytest.raises(UnusableFileError, match="give --channel"):
        read(path, channel=None)
    with pytest.raises(UnusableFileError, match=r"say device\.channel"):
        read(path, channel="meter")
