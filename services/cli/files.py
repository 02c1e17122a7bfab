"""Files that a command reads: every problem is printed with its file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from services.cli.errors import failure
from services.cli.say import say
from services.core.facility.errors import FacilityFileError
from services.core.runtime.settings import Settings

Read = TypeVar("Read")


def read_file(
    path: Path,
    read: Callable[[str], Read],
    *,
    max_bytes: int,
    setting: str = "TONNE_FILE_BYTES",
) -> Read | None:
    """Read a file of text with ``read``; None: it has errors, which were printed.

    ``setting``: what bounds its size.
    """
    return read_path(
        path, lambda: read(path.read_text(encoding="utf-8")), max_bytes=max_bytes, setting=setting
    )


def whole_file(
    path: Path, parse: Callable[..., Read], settings: Settings, *, otherwise: str
) -> Read:
    """Read a file with a parser that bounds its size; with errors it ends the command.

    ``otherwise``: what is said after the errors.
    """
    max_bytes = settings.file_bytes
    read = read_file(path, lambda text: parse(text, max_bytes=max_bytes), max_bytes=max_bytes)
    if read is None:
        raise failure(otherwise)
    return read


def read_path(path: Path, read: Callable[[], Read], *, max_bytes: int, setting: str) -> Read | None:
    """Read a file, whatever is in it; None: it has errors, which were printed."""
    try:
        if path.stat().st_size > max_bytes:
            mistake = f"has more than {max_bytes} bytes; split it, or raise {setting}"
            say(f"{path}: {mistake}", err=True)
            return None
        return read()
    except FacilityFileError as error:
        for problem in error.problems:
            say(f"{path}:{problem.line}: {problem.message}", err=True)
    except OSError as error:
        say(f"{path}: cannot be read: {error.strerror or error}", err=True)
    except UnicodeDecodeError as error:
        say(f"{path}: cannot be read: it is not UTF-8 ({error.reason})", err=True)
    return None
