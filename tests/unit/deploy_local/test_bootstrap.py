"""The set-up scripts: a second call does nothing, a wrong call says so, no mirror is named."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).parent.parent.parent.parent
_SCRIPTS = sorted((_REPOSITORY / "deploy").glob("*/*.sh"))


def test_a_wrong_purpose_is_one_sentence() -> None:
    done = subprocess.run(
        [_REPOSITORY / "deploy/local/bootstrap.sh", "everything"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert (
        done.stderr
        == "tonne: bootstrap.sh takes run, lint, fuzz, test, packages or cluster, not everything\n"
    )


@pytest.mark.parametrize(("candidate", "there"), [("156.0-1", True), ("(none)", False)])
def test_a_package_is_available_however_much_is_said_of_it(
    tmp_path: Path, candidate: str, there: bool
) -> None:
    apt_cache = tmp_path / "apt-cache"
    # more than a pipe holds: who reads it only to the candidate would break it
    apt_cache.write_text(
        f"#!/bin/sh\necho '$1:'; echo '  Candidate: {candidate}'; seq 100000\n", encoding="utf-8"
    )
    apt_cache.chmod(0o755)
    asked = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'PATH="{tmp_path}:$PATH"; source "$0"; _is_available x',
         _REPOSITORY / "deploy/local/system-packages.sh"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (asked.returncode == 0, asked.stderr) == (there, "")


@pytest.mark.parametrize("script", _SCRIPTS, ids=lambda path: path.name)
def test_a_script_parses_and_names_no_host(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)
    # what Kubernetes calls its kinds of secrets names no host
    text = script.read_text().replace(" kubernetes.io/", " ")
    assert re.findall(r"https?://|\b[a-z0-9-]+\.(?:org|com|net|io)\b", text) == []
