"""What is written is on disk, and survives a power failure."""

from __future__ import annotations

import os
from pathlib import Path


def to_disk(path: Path) -> None:
    """Write a file to disk, or what a directory lists.

    :raises OSError: the disk refuses.
    """
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
