"""Write a facility file of what the registry keeps of it, or a value as a file has it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from services.core.facility.model import FacilityFile


def written(document: Mapping[str, Any]) -> str:
    """Return YAML that, applied, changes nothing.

    Defaults are left out: the registry keeps them for channels of every kind, where a file that
    states what belongs to another kind is refused.
    """
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.allow_unicode = True
    writer.width = 100
    text = io.StringIO()
    writer.dump(stated(FacilityFile.model_validate(document)), text)
    return text.getvalue()


def stated(file: FacilityFile) -> dict[str, Any]:
    """Return what a file states, without what would hold anyway."""
    return file.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def flow(value: Any) -> str:
    """Return a value in one line, as a file may have it."""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = True
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.allow_unicode = True
    writer.width = 10_000
    text = io.StringIO()
    writer.dump(value, text)
    return text.getvalue().removesuffix("\n").removesuffix("\n...")
