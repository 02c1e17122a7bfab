"""The page of settings."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from deploy.reference.markdown import code, page, table
from services.core.runtime.settings import Settings, secret_settings

#: What holds of each setting with a secret.
_SECRETS = (
    f"{', '.join(f'`TONNE_{name.upper()}`' for name in secret_settings())} and the"
    " `TONNE_SECRET_*` that facility files name can hold a secret. Each may be in a file instead,"
    " such as a secret of compose or a credential of systemd: the variable with `_FILE` after its"
    " name, such as `TONNE_DATABASE_URL_FILE=/run/secrets/database_url`, is the file's path. One"
    " line break at the file's end is not part of the value. It is an error to set both, and to"
    " name a file that cannot be read or is empty; none of what is in it is ever logged. Settings"
    " are read at the start; `TONNE_HJ212_KEYS` and the `TONNE_SECRET_*` for each message, so that"
    " they are replaced without a restart."
)


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
        "## Secrets from files",
        _SECRETS,
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
