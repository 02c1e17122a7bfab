"""Print the part of requirements.lock that tonne needs to run, with its hashes.

Run by build.sh with the Python that the package is for, such as 3.13. ``--wheels`` leaves out what
has no wheel, ``--sources`` names that alone: build.sh takes it as it is installed here.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT = Path(__file__).parents[2]
#: Published as source alone; Python alone, so that it is the same for every Python.
_SOURCES = frozenset({"tailer"})


def needed(python: str) -> set[str]:
    """Return the names of what tonne depends on, and of what those do, on Linux."""
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting = [Requirement(text) for text in project["dependencies"]]
    names: dict[str, set[str]] = {}
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in names and requirement.extras <= names[name]:
            continue
        extras = names.setdefault(name, set()) | requirement.extras
        names[name] = extras
        for text in distribution(name).requires or []:
            further = Requirement(text)
            marker = further.marker
            if marker is None or any(
                marker.evaluate({**environment, "extra": extra}) for extra in {"", *extras}
            ):
                waiting.append(further)
    return set(names)


def main() -> None:
    """Print the entries of the lock."""
    python, *chosen = sys.argv[1:]
    names = needed(python)
    if "--sources" in chosen:
        sys.stdout.write("".join(f"{name}\n" for name in sorted(names & _SOURCES)))
        return
    if "--wheels" in chosen:
        names -= _SOURCES
    lock = (_ROOT / "requirements.lock").read_text(encoding="utf-8")
    for entry in re.split(r"\n(?=[a-z])", lock.strip()):
        if canonicalize_name(re.split(r"[=\[]", entry, maxsplit=1)[0]) in names:
            sys.stdout.write(f"{entry}\n")


if __name__ == "__main__":
    main()
