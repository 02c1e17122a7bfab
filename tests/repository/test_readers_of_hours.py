"""Whoever names hours or their history sees packed months too, or says here why he need not."""

from __future__ import annotations

import re
from pathlib import Path

_SERVICES = Path(__file__).parent.parent.parent / "services"
_NAMES_THEM = re.compile(
    r"\b(FROM|JOIN|INTO|UPDATE)\s+(public\.)?emission_hour(_history)?\b|\bt\.emission_hour\b"
)
_SEES_BOTH = re.compile(r"\bhour_history\.|\bpacked_hours\b|\bopen_for_writing\b|\bcold_hours\.")

#: Those that need not: their caller did, or they are about hours that are open or new.
_ROWS_ALONE = {
    "core/store/emissions/hour_ledger.py": "the writers that it is part of have opened the months",
    "core/store/emissions/hour_packing/candidates.py": "what is still to be packed",
    "core/store/emissions/packing/candidates.py": "hours that are not final, or were known lately",
    "core/store/emissions/retired_facilities.py": "hours that are not final",
    "core/store/readings/packing/candidates.py": "hours that are not final",
    "core/store/readings/retention.py": "hours that are not final",
    "core/store/schema/ddl.py": "hours that are not final; who redates hours opens their months",
    "core/store/schema/hour_packing.py": "packs and opens",
}


def test_every_reader_and_writer_of_hours_sees_packed_months() -> None:
    naming = {
        path.relative_to(_SERVICES).as_posix(): text
        for path in _SERVICES.rglob("*.py")
        if "migrations" not in path.parts
        and _NAMES_THEM.search(text := path.read_text(encoding="utf-8"))
    }
    blind = {
        name
        for name, text in naming.items()
        if name not in _ROWS_ALONE and not _SEES_BOTH.search(text)
    }
    assert not blind, "open packed months first, see services/core/store/emissions/hour_history.py"
    assert naming.keys() >= _ROWS_ALONE.keys()
    assert len(naming) > 20
