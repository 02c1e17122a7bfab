"""Write a facility file of what the registry keeps of it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML


def written(document: Mapping[str, Any]) -> str:
    """Return YAML that, applied, changes nothing."""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.allow_unicode = True
    writer.width = 100
    text = io.StringIO()
    writer.dump(dict(document), text)
    return text.getvalue()
