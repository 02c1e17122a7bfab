from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.looking import ATHERIS, look
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.skipif(
    not ATHERIS.is_dir(), reason="atheris is not installed; `make fuzz` installs it"
)


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_look_for_input_that_breaks_a_decoder(name: str, tmp_path: Path) -> None:
    done = look(name, tmp_path, "-runs=2000", "-seed=1", capture_output=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 2000 runs" in done.stderr
