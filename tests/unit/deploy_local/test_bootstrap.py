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
        == "tonne: bootstrap.sh takes run, lint, fuzz, test or cluster, not everything\n"
    )


@pytest.mark.parametrize("script", _SCRIPTS, ids=lambda path: path.name)
def test_a_script_parses_and_names_no_host(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)
    # what Kubernetes calls its kinds of secrets names no host
    text = script.read_text().replace(" kubernetes.io/", " ")
    assert re.findall(r"https?://|\b[a-z0-9-]+\.(?:org|com|net|io)\b", text) == []
