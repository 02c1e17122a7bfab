"""Starts the harness of one target with atheris, which is installed apart.

Its metadata name no licence, and no part of tonne needs it: among the packages of ``.venv`` it
would be taken for one of tonne's own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.examples import ROOT

#: Where ``make fuzz`` installs atheris.
ATHERIS: Final = ROOT / ".venv" / "atheris"


def look(name: str, folder: Path, *options: str, **how: Any) -> subprocess.CompletedProcess[str]:
    """Fuzz a target with options of libFuzzer; what it finds on its way is kept in the folder."""
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz.harness", name, str(folder), *options],
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ATHERIS)},
        text=True,
        **how,
    )
