"""What became of the rows of files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

#: Refused rows that are named one by one.
MAX_NAMED: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """A row that was not stored."""

    file: str
    #: 0: not known
    line: int
    reason: str
    detail: str


@dataclass(kw_only=True, slots=True)
class Report:
    """Counts of rows."""

    read: int = 0
    stored: int = 0
    #: the same was stored before, or it stands twice in the files
    duplicates: int = 0
    #: by reason; all but those that are no rows are in quarantine
    refused: Counter[str] = field(default_factory=Counter)
    #: refused and yet among those stored or there already: a gap stands where the value would
    gaps: int = 0
    #: refused, and quarantine had no room for them
    shed: int = 0
    #: those refused first
    refusals: list[Refusal] = field(default_factory=list)

    def refuse(self, refusal: Refusal) -> None:
        """Count a row that was refused."""
        self.refused[refusal.reason] += 1
        if len(self.refusals) < MAX_NAMED:
            self.refusals.append(refusal)

    def flat(self, seconds: float) -> dict[str, Any]:
        """Return the report for programs; ``seconds``: that it took."""
        return {
            "read": self.read,
            "stored": self.stored,
            "duplicates": self.duplicates,
            "refused": dict(self.refused),
            "gaps": self.gaps,
            "shed": self.shed,
            "seconds": round(seconds, 3),
            "refusals": [
                {
                    "file": refusal.file,
                    "line": refusal.line,
                    "reason": refusal.reason,
                    "detail": refusal.detail,
                }
                for refusal in self.refusals
            ],
        }
