"""Whoever names the table ``reading`` sees packed days too, or says here why he need not."""

from __future__ import annotations

import re
from pathlib import Path

_SERVICES = Path(__file__).parent.parent.parent / "services"
_NAMES_IT = re.compile(
    r"\b(FROM|JOIN|INTO|UPDATE)\s+(public\.)?reading\b|\bt\.reading\b"
    r"|tables import [^\n]*\breading\b"
)
_SEES_BOTH = re.compile(r"\bhistory\.|\bhistory_arrays\.|\bpacked_readings\b|\bopen_for_writing\b")

#: Those that need not: their caller did, or they are about rows alone.
_ROWS_ALONE = {
    "core/store/operations/data_health.py": "of a clock, what is packed is too old to tell",
    "core/store/readings/arrival_order.py": "the writer that calls it has opened the days",
    "core/store/readings/packing/candidates.py": "what is still to be packed",
    "core/store/readings/packing/days.py": "packs and opens",
    "core/store/schema/amendments.py": "who calls the function has opened the days",
    "core/store/schema/ddl.py": "what functions change is opened first by who calls them",
    "core/store/schema/packing.py": "packs and opens",
}


def test_every_reader_and_writer_of_readings_sees_packed_days() -> None:
    naming = {
        path.relative_to(_SERVICES).as_posix(): text
        for path in _SERVICES.rglob("*.py")
        if "migrations" not in path.parts
        and _NAMES_IT.search(text := path.read_text(encoding="utf-8"))
    }
    blind = {
        name
        for name, text in naming.items()
        if name not in _ROWS_ALONE and not _SEES_BOTH.search(text)
    }
    assert not blind, "open packed days first, see services/core/store/readings/history.py"
    assert len(naming) > 12


#: As above, of minutes.
_NAMES_MINUTES = re.compile(
    r"\b(FROM|JOIN|INTO|UPDATE)\s+(public\.)?(emission_minute|minute_in_force)\b"
)
_SEES_BOTH_MINUTES = re.compile(
    r"\bminute_history\.|\bpacked_minutes\b|\bopen_for_writing\b|\bwindow_sums\."
)
_MINUTE_ROWS_ALONE = {
    "core/store/emissions/deferred_minutes.py": "those of packed days wait until they are opened",
    "core/store/emissions/minute_rows.py": "the tick that calls it has opened the days",
    "core/store/emissions/packing/days.py": "packs and opens",
    "core/store/schema/minute_packing.py": "packs and opens",
}


def test_every_reader_and_writer_of_minutes_sees_packed_days() -> None:
    blind = {
        path.relative_to(_SERVICES).as_posix()
        for path in _SERVICES.rglob("*.py")
        if "migrations" not in path.parts
        and _NAMES_MINUTES.search(text := path.read_text(encoding="utf-8"))
        and not _SEES_BOTH_MINUTES.search(text)
    }
    assert blind <= set(_MINUTE_ROWS_ALONE), (
        "open packed days first, see services/core/store/emissions/minute_history.py"
    )
