"""Stored dumps: what each version had in its database, and what it answered."""

from __future__ import annotations

import json
import lzma
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_DAY = re.compile(r"\d{4}-\d\d-\d\d")

RELEASES = Path(__file__).parent / "releases"


@dataclass(frozen=True, kw_only=True)
class Release:
    """A version whose database is stored."""

    version: str
    commit: str
    #: of its schema
    revision: str
    #: of the dump: what was closed then is compared
    made_at: str
    #: what of the story it did not take
    refused: list[str]
    #: by table
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """Where its files are."""
        return RELEASES / self.version

    @property
    def database(self) -> Path:
        """Its dump (:mod:`.dump`)."""
        return self.directory / "database.sql.xz"

    @property
    def answers(self) -> dict[str, Any]:
        """What it answered, by call."""
        stored: dict[str, Any] = json.loads(
            lzma.decompress((self.directory / "answers.json.xz").read_bytes())
        )
        return stored

    def write(self, answers: dict[str, Any]) -> None:
        """Store it and what it answered; the dump is there."""
        text = json.dumps(answers, sort_keys=True).encode()
        (self.directory / "answers.json.xz").write_bytes(lzma.compress(text, preset=9))
        (self.directory / "release.json").write_text(json.dumps(asdict(self), indent=1) + "\n")


def stored() -> list[Release]:
    """Read which versions are stored, the newest last."""
    found = [
        Release(**json.loads(path.read_text(encoding="utf-8")))
        for path in RELEASES.glob("*/release.json")
    ]
    # one is named by its day where it was never released
    return sorted(found, key=lambda release: (not _DAY.fullmatch(release.version), release.version))
