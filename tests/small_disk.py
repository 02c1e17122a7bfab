"""A disk of a test's own, so small that it can be filled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(directory: Path, size_mb: int) -> Iterator[None]:
    """Mount a disk in memory at an empty directory; skip the test where that cannot be done."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=755", "tmpfs", str(directory)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=False)


def fill(directory: Path) -> Path:
    """Take all the room there is, again and again, until none is left for anybody."""
    filling = directory / "filling"
    with filling.open("wb") as file:
        for size in (1 << 20, 1 << 12, 1):
            while True:
                try:
                    os.write(file.fileno(), b"x" * size)
                except OSError:
                    break
    return filling
