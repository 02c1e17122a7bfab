"""``tonne schema``: the language of facility files, for programs."""

from __future__ import annotations

import sys

from services.core.facility.schema import schema_text


def print_schema() -> None:
    """Print the JSON Schema of facility files, for editors that complete and validate them."""
    sys.stdout.write(schema_text())
