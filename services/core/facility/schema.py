"""The JSON Schema of a facility file: what an editor completes and checks while one writes it."""

from __future__ import annotations

# Texts here stay English: the schema has a catalogue of its own
import json
from functools import cache
from typing import Any

from services.core.facility.model import FacilityFile

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: How much may be in what is no text; pydantic calls all of it a length.
_BOUNDS = {
    "object": {"minLength": "minProperties", "maxLength": "maxProperties"},
    "array": {"minLength": "minItems", "maxLength": "maxItems"},
}
_INSTANT = {"type": "string", "format": "date-time"}


def schema_text() -> str:
    """Return the schema as it is printed and served."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """Return the schema of the file as people write it.

    It refuses misspelt keys, values of a wrong type and bounds that are passed; what only the whole
    file tells (a factor that is not there, a unit that does not convert) `tonne apply` refuses.
    """
    document = _as_written(FacilityFile.model_json_schema(by_alias=True))
    channel = document["$defs"]["Channel"]["properties"]
    del channel["unit_from"]  # it is written as unit: {from: ..., default: ...}
    channel["unit"] = {
        "description": channel["unit"]["description"],
        "anyOf": [{"type": "string"}, _unit_that_the_payload_tells(document["$defs"]["UnitFrom"])],
    }
    del document["$defs"]["UnitFrom"]
    # these are made of the input
    del document["$defs"]["ActivitySource"]["properties"]["derived"]
    del document["$defs"]["ActivitySource"]["properties"]["direction"]
    del document["$defs"]["StackSource"]["properties"]["derived_inputs"]
    del document["$defs"]["Derived"]
    return {"$schema": _DIALECT, **document, "title": "tonne facility file"}


def _unit_that_the_payload_tells(stored: dict[str, Any]) -> dict[str, Any]:
    default = {"type": "string", "description": "Unit that readings are stored in."}
    return {
        **stored,
        "properties": {**stored["properties"], "default": default},
        "required": ["default"],
    }


def _as_written(node: Any) -> Any:
    """Drop titles that repeat the keys; bound parts by what they have; let an instant be a day."""
    if isinstance(node, list):
        return [_as_written(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    if {key: node.get(key) for key in _INSTANT} == _INSTANT:
        rest = {key: value for key, value in node.items() if key not in {*_INSTANT, "title"}}
        return {**rest, "anyOf": [_INSTANT, {"type": "string", "format": "date"}]}
    bounds = _BOUNDS.get(str(node.get("type")), {})
    return {
        bounds.get(key, key): _as_written(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }


@cache
def keys_of_instants() -> frozenset[str]:
    """Return the keys whose value is a day or an instant wherever they stand."""
    formats: dict[str, set[bool]] = {}
    for part in schema()["$defs"].values():
        for key, value in part.get("properties", {}).items():
            formats.setdefault(key, set()).add(_is_instant(value))
    return frozenset(key for key, kinds in formats.items() if kinds == {True})


def _is_instant(value: dict[str, Any]) -> bool:
    parts = value.get("anyOf", [value])
    return any(part.get("format") in {"date", "date-time"} for part in parts)
