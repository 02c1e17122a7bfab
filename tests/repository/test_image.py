from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from deploy.debian.runtime_requirements import needed
from tests.repository.files import DEPLOY, ROOT

_LOCK = (ROOT / "requirements.lock").read_text()
_COPIED = re.compile(r"^COPY (?!--from)(.+) \S+$", re.MULTILINE)


def _runtime() -> set[str]:
    """What ``pip install .`` brings along: the project's dependencies and theirs."""
    return needed(f"{sys.version_info.major}.{sys.version_info.minor}")


def test_the_lock_names_no_index_and_hashes_every_file() -> None:
    assert "://" not in _LOCK
    assert "--index" not in _LOCK
    entries = re.split(r"\n(?=[a-z])", _LOCK.strip())
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_lock_holds_everything_that_the_image_installs() -> None:
    locked = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", _LOCK, re.MULTILINE)}
    assert _runtime() <= locked


def test_what_is_copied_exists_and_reaches_the_builder() -> None:
    admitted = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")
    }
    copied = {
        word
        for words in _COPIED.findall((DEPLOY / "Dockerfile").read_text())
        for word in words.split()
    }
    assert copied == admitted
    assert all((ROOT / path).exists() for path in copied)


#: Whose digest a release has to ask the registry for, by ``deploy/pin-images.sh``.
_BY_VERSION = {
    "nats:2.15.1-alpine",
    "natsio/nats-server-config-reloader:0.19.1",
    "timescale/timescaledb:2.29.1-pg17-oss",
}


def test_images_of_others_are_of_one_version_and_digest_everywhere() -> None:
    named = {
        image
        for file in ("compose.yaml", "kubernetes/nats.yaml", "Dockerfile")
        for image in re.findall(
            r"^(?: *image: |FROM )(\S+[:@]\S+)", (DEPLOY / file).read_text(), re.MULTILINE
        )
    }
    names = [re.split("[:@]", image)[0] for image in named]
    assert len(set(names)) == len(names), named
    assert all(re.search(r":v?\d+\.\d+\.\d+(?:-[\w-]+)?(?:@|$)", image) for image in named), named
    pinned = {image for image in named if re.search("@sha256:[0-9a-f]{64}$", image)}
    assert named - pinned == _BY_VERSION
    checked = subprocess.run(
        [str(DEPLOY / "pin-images.sh"), "--check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 1
    assert set(checked.stderr.splitlines()[1:]) == _BY_VERSION


def test_the_image_does_not_run_as_root() -> None:
    last_stage = (DEPLOY / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last_stage, re.MULTILINE)


_START_EVERYTHING = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)

sys.meta_path.insert(0, Hidden())
from services.cli import app
import services.ingest.app, services.aggregator.app, services.api.app, services.notify.app
from services.core.runtime.settings import Settings
services.api.app.create_app(Settings())
"""


@pytest.mark.thorough
def test_every_process_starts_with_nothing_but_what_the_image_installs() -> None:
    installed = _runtime() | {"tonne", "pip", "setuptools"}
    hidden = {
        module
        for module, owners in packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & installed
    }
    assert "pytest" in hidden
    done = subprocess.run(
        [sys.executable, "-c", f"HIDDEN = {hidden!r}\n{_START_EVERYTHING}"],
        cwd=Path(ROOT),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
