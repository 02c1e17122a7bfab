"""``python -m services.api.languages``: bring the catalogues up to date."""

from __future__ import annotations

from services.api.languages.extraction import write

for line in write():
    print(line)  # noqa: T201 - a command
