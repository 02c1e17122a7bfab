"""The page of settings."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from deploy.reference.markdown import code, page, table
from services.core.runtime.settings import Settings


def page_of_settings() -> str:
    """Return the page: each environment variable with its default, bounds and meaning."""
    rows = [
        (
            f"`TONNE_{name.upper()}`",
            "not set" if field.default is None else code(field.default),
            _values(field),
            field.description,
        )
        for name, field in Settings.model_fields.items()
    ]
    return page(
        "Settings",
        "tonne reads every setting from the environment. A `TONNE_*` variable that is not in this"
        " table is an error, so that a misspelt setting is never a silent default.",
        table(("setting", "default", "values", "meaning"), rows),
    )


def _values(field: Any) -> str:
    if get_origin(field.annotation) is Literal:
        return " ".join(f"`{value}`" for value in get_args(field.annotation))
    bounds = {type(item).__name__: item for item in field.metadata}
    lowest = getattr(bounds.get("Ge"), "ge", None)
    highest = getattr(bounds.get("Le"), "le", None)
    if lowest is not None and highest is not None:
        return f"{lowest} to {highest}"
    return f"{lowest} or more" if lowest is not None else ""
