"""Migrations are one chain: each revision is there once, and each but the last has one after it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from services.core.store.database import schema_version
from services.core.store.schema import migrations

_VERSIONS = Path(next(iter(migrations.__path__))) / "versions"
_REVISION = re.compile(r'^revision = "(\w+)"$', re.MULTILINE)
_DOWN_REVISION = re.compile(r'^down_revision = (?:"(\w+)"|None)$', re.MULTILINE)


def test_each_migration_follows_one_other() -> None:
    revisions, before = [], []
    for path in _VERSIONS.glob("[0-9]*.py"):
        text = path.read_text()
        revision, down = _REVISION.search(text), _DOWN_REVISION.search(text)
        assert revision is not None, path.name
        assert down is not None, path.name
        assert path.name.startswith(f"{revision[1]}_"), path.name
        revisions.append(revision[1])
        before.append(down[1])
    assert [revision for revision, count in Counter(revisions).items() if count > 1] == []
    assert [revision for revision, count in Counter(before).items() if count > 1] == []
    assert len(set(revisions) - set(before)) == 1


def test_the_schema_that_the_code_asks_for_is_the_end_of_the_chain() -> None:
    """Also where a step of a lower number comes after one of a higher."""
    texts = [path.read_text() for path in _VERSIONS.glob("[0-9]*.py")]
    before = {match[1] for text in texts if (match := _DOWN_REVISION.search(text))}
    last = [match[1] for text in texts if (match := _REVISION.search(text))]
    assert [revision for revision in last if revision not in before] == [
        schema_version.newest_revision()
    ]
