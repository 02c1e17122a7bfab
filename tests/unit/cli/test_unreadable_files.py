"""A file that a command cannot read is named once, with the reason in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.cli.files import read_file


def test_a_missing_file_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mill.yaml"
    assert read_file(path, str, max_bytes=1000) is None
    assert capsys.readouterr().err == f"{path}: cannot be read: No such file or directory\n"


def test_a_file_that_is_no_text_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mill.yaml"
    path.write_bytes(b"facility: \xff")
    assert read_file(path, str, max_bytes=1000) is None
    said = capsys.readouterr().err
    assert said == f"{path}: cannot be read: it is not UTF-8 (invalid start byte)\n"
