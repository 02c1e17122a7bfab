"""Secrets from files: what compose's secrets and systemd's credentials are.

``NAME_FILE`` names a file that holds the value of ``NAME``. The environment of a process can be
read by others and is inherited by what it starts; a file has an owner and a mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

SUFFIX: Final = "_FILE"

#: A file that is larger is none with a secret, but a mistake.
_LARGEST_BYTES: Final = 65_536


class SecretFileError(ValueError):
    """The file cannot be used; says which, why and what to do, and never what is in it."""


def value_of(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the variable's value, of the file that ``NAME_FILE`` names where it is set.

    One line break at the end of the file is not part of the value. None: neither is set.

    :raises SecretFileError: both are set, or the file cannot be used.
    """
    direct, path = environment.get(name), environment.get(name + SUFFIX)
    if path is None:
        return direct
    if direct is not None:
        raise SecretFileError(f"{name} and {name}{SUFFIX} are both set; take one away")
    return _content(name + SUFFIX, path)


def _content(variable: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no path"
        raise SecretFileError(
            f"{variable}: {path!r} cannot be read ({reason}); name a file that this process may"
            " read"
        ) from None
    if len(content) > _LARGEST_BYTES:
        raise SecretFileError(f"{variable}: {path!r} is larger than 64 KiB and holds no secret")
    try:
        value = content.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretFileError(f"{variable}: {path!r} is no text in UTF-8") from None
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise SecretFileError(f"{variable}: {path!r} is empty; write the secret into it")
    return value
