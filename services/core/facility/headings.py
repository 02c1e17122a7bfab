"""The page that describes every key of a facility file: under which heading a part stands."""

from __future__ import annotations

# Texts here stay English: the documentation has them
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from services.core.facility.model import FacilityFile

#: The page, where the API serves the documentation.
PAGE: Final = "/docs/reference/facility-file/"

#: Keys that no file has: what other keys say, as it is stored.
_AS_STORED: Final = frozenset(
    (
        ("Channel", "unit_from"),
        ("ActivitySource", "derived"),
        ("ActivitySource", "direction"),
        ("StackSource", "derived_inputs"),
    )
)

_SEVERAL: Final = (tuple, list)


@cache
def headings(file: type[BaseModel] = FacilityFile) -> dict[type[BaseModel], str]:
    """Return the heading of each part of a file, in the order of the page: from its top down."""
    paths: dict[type[BaseModel], str] = {}
    _add(file, "", paths)
    return {part: _heading(part, path) for part, path in paths.items()}


def reference(part: type[BaseModel]) -> str | None:
    """Return the address of the part's keys; None: no facility file has such a part."""
    heading = next((headings()[kind] for kind in part.__mro__ if kind in headings()), None)
    return None if heading is None else f"{PAGE}#{anchor(heading)}"


def anchor(heading: str) -> str:
    """Return what a heading is linked to by, in the site and in the repository alike."""
    return re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")


def keys(part: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Find the keys that a file may have, each with its field."""
    for name, field in part.model_fields.items():
        if (part.__name__, name) not in _AS_STORED:
            yield field.alias or name, field


def parts(annotation: Any) -> Iterator[type[BaseModel]]:
    """Find the parts that a value may be or hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from parts(inner)


def _add(part: type[BaseModel], path: str, paths: dict[type[BaseModel], str]) -> None:
    if part in paths:
        return
    paths[part] = path
    for key, field in keys(part):
        inner_path = (
            (f"{path}." if path else "") + key + ("[]" if _is_list(field.annotation) else "")
        )
        for inner in parts(field.annotation):
            _add(inner, inner_path, paths)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) in _SEVERAL or any(map(_is_list, get_args(annotation)))


def _heading(part: type[BaseModel], path: str) -> str:
    heading = f"`{path}`" if path else "The file"
    methods = (
        get_args(part.model_fields["method"].annotation) if "method" in part.model_fields else ()
    )
    if len(methods) == 1:
        heading += f" of method `{methods[0]}`"
    return heading
