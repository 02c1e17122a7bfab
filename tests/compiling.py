"""What tests consist of is compiled once, before several workers would each do so.

After a checkout nothing is: each worker would compile all of tonne and rewrite the assertions of
all tests, ten seconds of a processor, and all of them at the same time.
"""

from __future__ import annotations

import compileall
import os
import re
import sys
from pathlib import Path
from typing import Final

import pytest
from _pytest.assertion import rewrite

_ROOT: Final = Path(__file__).parent.parent
_PACKAGES: Final = ("services", "deploy", "sensors-sim/sensors_sim", "tests")
#: pytest rewrites these itself.
_TESTS: Final = re.compile(r"/(test_[^/]*|conftest)\.py$")


def compile_once(config: pytest.Config) -> None:
    """Compile what is not, on two processors, unless Python is to write no bytecode."""
    if sys.dont_write_bytecode or rewrite.assertstate_key not in config.stash:
        return
    other = os.fork()
    if other == 0:
        try:
            for package in _PACKAGES:
                compileall.compile_dir(_ROOT / package, quiet=2, rx=_TESTS)
            _rewrite(config, 1)
        finally:
            os._exit(0)
    _rewrite(config, 0)
    os.waitpid(other, 0)


def _rewrite(config: pytest.Config, half: int) -> None:
    """Rewrite the assertions of the tests, as their import would, and write what comes of it."""
    state = config.stash[rewrite.assertstate_key]
    files = sorted(path for path in (_ROOT / "tests").rglob("*.py") if _TESTS.search(str(path)))
    # what compiles the packages has less of these to do
    for path in files[: len(files) // 4] if half else files[len(files) // 4 :]:
        cache = rewrite.get_cache_dir(path)
        rewritten = cache / f"{path.stem}{rewrite.PYC_TAIL}"
        if rewrite._read_pyc(path, rewritten) is None and rewrite.try_makedirs(cache):
            stat, code = rewrite._rewrite_test(path, config)
            rewrite._write_pyc(state, code, stat, rewritten)
