"""What uploads leave of a disk to others, and what is done with one that is being removed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from services.ingest.uploads.spool import MissingUploadError, Spool, TooLargeUploadError

_GIB = 1 << 30


def test_files_that_were_announced_together_do_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 2 * _GIB

    def usage(_path: Path) -> object:
        return shutil._ntuple_diskusage(4 * _GIB, 4 * _GIB - free, free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    spool = Spool(tmp_path, max_bytes=_GIB)
    assert spool.open()
    first = spool.begin("linz", "a.csv", _GIB // 2, "readings", "key a")
    second = spool.begin("graz", "b.csv", _GIB // 2, "readings", "key b")
    spool.append(first, 0, b"a" * 100)
    # what others wrote meanwhile
    free = _GIB + 50
    with pytest.raises(TooLargeUploadError, match="too little room"):
        spool.append(second, 0, b"b" * 100)
    assert second.received == 0
    # a part that is there already is passed over, as ever
    spool.append(first, 0, b"a" * 100)
    free = 2 * _GIB
    spool.append(second, 0, b"b" * 100)
    assert second.received == 100
    spool.close()


def test_nothing_is_begun_with_a_file_that_is_being_removed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=_GIB)
    assert spool.open()
    upload = spool.begin("linz", "a.csv", 1, "readings", "key a")
    assert spool.find("linz", upload.id) is upload
    # its worker is being stopped
    upload.is_removed = True
    with pytest.raises(MissingUploadError):
        spool.find("linz", upload.id)
    spool.close()
