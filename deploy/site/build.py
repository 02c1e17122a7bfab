"""Build the documentation site where its sources changed.

It goes into the package, where the API serves it and the wheel carries it. Running needs nothing
of what builds it.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_CONFIGURATION = _ROOT / "deploy" / "mkdocs.yml"
_SOURCES = _ROOT / "deploy" / "docs"
_FIXED_SOURCES = (_CONFIGURATION, Path(__file__))
#: Where the API looks for it.
SITE = _ROOT / "services" / "api" / "documentation"
#: Names the sources that the site was built from; the API serves no file that begins with a dot.
_STAMP = ".sources"
_BUILT_BY = ("mkdocs", "mkdocs-material", "mkdocs-swagger-ui-tag", "pymdown-extensions")


def build_if_stale() -> bool:
    """Build the site unless it is there and of today's sources; return whether it was built."""
    # one at a time: two starts would put their sites into each other's place
    with _CONFIGURATION.open("rb") as one:
        fcntl.flock(one, fcntl.LOCK_EX)
        wanted = _fingerprint()
        stamp = SITE / _STAMP
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
            return False
        _replace(wanted)
    return True


def _replace(wanted: str) -> None:
    # a reader of the old site never sees half of the new
    with tempfile.TemporaryDirectory(dir=SITE.parent, prefix=".documentation-") as made:
        site = Path(made) / "site"
        build(site)
        (site / _STAMP).write_text(wanted, encoding="utf-8")
        shutil.rmtree(SITE, ignore_errors=True)
        site.rename(SITE)


def build(site: Path) -> None:
    """Build the site into a directory; a link that leads nowhere, or any other warning, fails."""
    # not at the top: most calls find the site fresh, and MkDocs takes a second to import
    from mkdocs.commands.build import build as build_site  # noqa: PLC0415
    from mkdocs.config import load_config  # noqa: PLC0415

    configuration = load_config(str(_CONFIGURATION), site_dir=str(site), strict=True)
    configuration.plugins.on_startup(command="build", dirty=False)
    try:
        build_site(configuration)
    finally:
        configuration.plugins.on_shutdown()
    # half of the bytes, for who mends the theme's own scripts
    for source_map in site.rglob("*.map"):
        source_map.unlink()


def _fingerprint() -> str:
    found = hashlib.sha256()
    for name in _BUILT_BY:
        found.update(f"{name} {version(name)}\n".encode())
    for path in [*_FIXED_SOURCES, *sorted(_SOURCES.rglob("*"))]:
        if path.is_file():
            found.update(f"{path.relative_to(_ROOT)}\n".encode())
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()
