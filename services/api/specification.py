"""The OpenAPI specification as a file: ``python -m services.api.specification`` writes it."""

from __future__ import annotations

import json
from pathlib import Path

from services.api.app import create_app
from services.core.runtime.settings import Settings

PATH = Path(__file__).parents[2] / "deploy" / "docs" / "openapi.json"


def specification() -> str:
    """Return the specification that ``GET /v1/openapi.json`` answers with, indented."""
    app = create_app(Settings())
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(specification(), encoding="utf-8")
