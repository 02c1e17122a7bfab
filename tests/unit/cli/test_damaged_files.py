"""A database whose files are damaged: a command says so in one sentence, and what to do."""

from __future__ import annotations

import psycopg
import pytest
import typer

from services.cli.errors import clear_errors


@pytest.mark.parametrize("kind", [psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted])
def test_damaged_files_are_no_traceback(
    kind: type[psycopg.Error], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, clear_errors():
        raise kind("invalid page in block 0 of relation base/5/17800\nCONTEXT: a query")
    assert ended.value.exit_code == 1
    sentence = capsys.readouterr().err
    assert "invalid page in block 0 of relation base/5/17800" in sentence
    assert "CONTEXT" not in sentence
    assert "restore the last backup with `tonne restore`" in sentence.replace("\n", " ")
