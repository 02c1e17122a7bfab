"""What ``tonne verify`` has to say: counts, and the differences by name."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from rich.table import Table

from services.aggregator.audit.findings import Difference, Step
from services.cli.listing import console
from services.cli.say import cell, say

#: Differences that are listed; all of them are counted.
MAX_LISTED: Final = 1000


@dataclass
class Verified:
    """What the steps came to, however many there were."""

    with_versions: bool
    checked: int = 0
    waiting: int = 0
    unknown: int = 0
    windows: int = 0
    sums: int = 0
    versions: int = 0
    versions_left_out: Counter[str] = field(default_factory=Counter)
    differ: int = 0
    listed: list[Difference] = field(default_factory=list)

    def add(self, step: Step) -> None:
        """Add what one step came to."""
        self.checked += step.checked
        self.waiting += step.waiting
        self.unknown += step.unknown
        self.windows += step.windows
        self.sums += step.sums
        self.versions += step.versions
        self.versions_left_out.update(step.versions_left_out)
        self.differ += len(step.differences)
        self.listed.extend(step.differences[: MAX_LISTED - len(self.listed)])


def as_json_line(verified: Verified) -> str:
    """Return all of it as one JSON object."""
    counts: dict[str, Any] = {
        name: getattr(verified, name)
        for name in ("checked", "waiting", "unknown", "windows", "sums")
    }
    if verified.with_versions:
        counts["versions"] = verified.versions
        counts["versions_left_out"] = dict(verified.versions_left_out)
    differs = [_row(difference) for difference in verified.listed]
    return json.dumps({**counts, "differ": verified.differ, "differs": differs})


def tell(verified: Verified) -> None:
    """Print the differences, then the counts."""
    if verified.listed:
        console().print(_table(verified.listed))
    say(f"final hours checked: {verified.checked}")
    if verified.with_versions:
        say(f"replaced versions checked: {verified.versions}")
    say(f"rolling and to-date totals checked: {verified.windows}")
    say(f"stored sums of days and months checked: {verified.sums}")
    say(f"differ: {verified.differ}")
    if verified.differ > len(verified.listed):
        say(f"listed: the first {len(verified.listed)}; choose with --facility, --from and --to")
    if verified.waiting:
        say(f"as they were known before what waits to be computed: {verified.waiting}")
    if verified.unknown:
        say(
            "not held against readings, because these changed, were dropped or are in the archive"
            f" alone: {verified.unknown}"
        )
    for reason, count in sorted(verified.versions_left_out.items()):
        say(f"replaced versions not computed, because {reason}: {count}")


def _row(difference: Difference) -> dict[str, Any]:
    return {
        "kind": difference.kind,
        "facility": difference.facility,
        "source": difference.source,
        "hour": _hour(difference),
        "window": difference.window,
        "stored_kg": _kg(difference.stored_ug),
        "recomputed_kg": _kg(difference.recomputed_ug),
        "figures": list(difference.figures),
        "detail": difference.detail,
        "source_name": difference.source_name,
    }


def _table(differences: list[Difference]) -> Table:
    table = Table(
        "facility", "source", "name", "hour", "what", "stored kg", "recomputed kg", "differs in"
    )
    for difference in differences:
        stored, computed = (
            "none" if kg is None else repr(kg)
            for kg in (_kg(difference.stored_ug), _kg(difference.recomputed_ug))
        )
        table.add_row(
            difference.facility, difference.source, cell(difference.source_name),
            _hour(difference) or difference.window, difference.kind, stored, computed,
            cell("; ".join(filter(None, (", ".join(difference.figures), difference.detail)))),
        )  # fmt: skip
    return table


def _kg(micrograms: int | None) -> float | None:
    return None if micrograms is None else micrograms / 1e9


def _hour(difference: Difference) -> str | None:
    return None if difference.hour is None else f"{difference.hour:%Y-%m-%dT%H:%MZ}"
