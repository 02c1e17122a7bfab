"""``tonne migrate``, then ``tonne apply FILE...``: to load tonne takes longer than either.

``python -m deploy.local.migrate_and_apply FILE...`` ends with the exit code of the first that
fails. What each of them says is in its log.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from deploy.local.places import find_places
from services.cli import app


def main(files: list[str]) -> int:
    """Run both; 0 if both did what they should."""
    places = find_places()
    for words in (["migrate"], ["apply", *files]):
        if code := _run(words, places.log_of(words[0])):
            return code
    return 0


def _run(words: list[str], log: Path) -> int:
    """Run one command, which says what it has to say in its log; return its exit code."""
    sys.stdout.flush()
    with log.open("wb") as output:
        # as a shell does it: whatever writes by these, it writes there
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    try:
        app(words)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
