"""Each way in of readings is fuzzed, tried by faults, described and counted.

The table of them in the documentation is complete.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from services.cli.backfill import _lines as backfilled
from services.core.facility.table_file import parse_table
from services.core.runtime.metrics import ingest_registry
from services.core.runtime.reading_door import FORMS
from services.ingest.decode import UnusableFormatError, decoder_for
from services.ingest.files import formats
from services.ingest.files.formats import Reading
from services.ingest.files.rows import Names, Stated, UnusableFileError
from tests.faults.door_rounds import SENDERS
from tests.faults.world import SCHEMES
from tests.fuzz.targets import TARGETS, corpus
from tests.repository.files import ROOT

PAGE: Final = ROOT / "deploy" / "docs" / "contribute" / "ways-in.md"
CODE: Final = ROOT / "services" / "ingest"

#: Folders that take nothing in by themselves.
INWARD: Final = {"quarantine", "sources", "sources/nats_side"}

HINT: Final = f"see {PAGE.relative_to(ROOT)}"


def rows() -> list[dict[str, str]]:
    """The rows of the table, by the names of their columns."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    header, _, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(header, cells, strict=True)) for cells in body]


def codes(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", text)


def test_the_table_names_all_that_takes_something_in() -> None:
    named = {code for row in rows() for code in codes(row["code in `services/ingest`"])}
    folders = {
        str(path.relative_to(CODE))
        for parent in (CODE, CODE / "sources")
        for path in parent.iterdir()
        if (path / "__init__.py").exists()
    }
    assert named == folders - INWARD, HINT


def test_every_fuzz_target_is_of_a_way_in_and_has_inputs() -> None:
    named = {target for row in rows() for target in codes(row["fuzz targets"])}
    assert named == set(TARGETS), HINT
    assert [name for name in TARGETS if not corpus(name)] == []


def test_every_way_in_is_sent_by_while_things_go_wrong() -> None:
    told = [row["rounds of faults"] for row in rows()]
    named = [sender for text in told if not text.startswith("none: ") for sender in codes(text)]
    assert all(told), HINT
    assert sorted(named) == sorted([*SCHEMES, *(sender.name for sender in SENDERS)]), HINT


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["way in"])
def test_a_way_in_has_a_page_and_a_metric(row: dict[str, str]) -> None:
    (link,) = re.findall(r"\]\(([^)#]+)", row["page"])
    assert (PAGE.parent / link).is_file()
    if not row["metric"].startswith("none: "):
        metrics = {family.name for family in ingest_registry.collect()}
        assert {name.removesuffix("_total") for name in codes(row["metric"])} <= metrics


def test_some_kept_input_gives_readings_in_every_format_that_tonne_reads() -> None:
    read = {
        name
        for target, run in TARGETS.items()
        for payload in corpus(target)
        for name in run(payload)
    }
    missing = _registered() - read
    assert missing == set(), f"no input of tests/fuzz/corpus gives readings in them: {HINT}"


def _registered() -> set[str]:
    """What tonne says it reads: formats of messages, forms of bodies, endings of files."""
    with pytest.raises(UnusableFormatError) as of_message:
        decoder_for("no such", {}, [])
    wire_formats = str(of_message.value).partition(" is not one of ")[2].split(", ")
    reading = Reading(stated=Stated(), names=Names(), table=None)
    with pytest.raises(UnusableFileError) as of_file:
        list(formats.read(Path("a.unknown"), reading, lambda _: None))
    table = parse_table("time: {column: a}\nvalues: [{channel: a.b, column: c}]")
    with pytest.raises(UnusableFileError) as of_backfill:
        backfilled("a.unknown", None, table, lambda _: None)
    endings = {
        ending
        for error in (of_file, of_backfill)
        for ending in re.findall(r"(?<= )\.[a-z.]+[a-z]", str(error.value))
    }
    assert {"native", "sparkplug"} <= set(wire_formats)
    assert {".csv", ".csv.gz", ".lp.gz"} <= endings
    return {*wire_formats, *(f"body {form}" for form in FORMS), *endings}
