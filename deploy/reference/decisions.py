"""The index of the decisions."""

from __future__ import annotations

import re
from pathlib import Path

from deploy.reference.markdown import page, table

_DECISIONS = Path(__file__).parents[1] / "docs" / "adr"
_HEAD = re.compile(r"# (\d{4}): (.+)\n\nDate: (\d{4}-\d\d-\d\d)\. Status: (.+)\.\n")


def page_of_decisions() -> str:
    """Return the page: each decision with its date and status.

    :raises ValueError: a decision lacks its title, date or status.
    """
    rows: list[tuple[str, str, str, str]] = []
    for path in sorted(_DECISIONS.glob("[0-9]*.md")):
        head = _HEAD.match(path.read_text(encoding="utf-8"))
        if head is None:
            raise ValueError(f"{path.name} must begin as template.md does: title, date, status")
        number, title, date, status = head.groups()
        rows.append((number, f"[{title}]({path.name})", date, status))
    numbers = {int(row[0]) for row in rows}
    unused = [f"{number:04}" for number in range(1, max(numbers)) if number not in numbers]
    return page(
        "Decisions",
        "Each page says what was decided, why, what it costs, and what else was looked at. A"
        " decision that is undone stays here, with the one that replaced it. Numbers without a"
        f" page: {', '.join(unused)}.",
        table(("number", "decision", "date", "status"), rows),
    )
