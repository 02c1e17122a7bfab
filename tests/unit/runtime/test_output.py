"""A command whose reader leaves does its work to the end, in silence."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sensors_sim.output import outlive_reader
from services.cli.listing import console
from services.cli.say import say
from services.core.runtime.output import ends_with_its_reader


@contextmanager
def _piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Let standard output be a pipe; yield its reading end."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        yield reader
        assert sys.stdout is pipe


def test_a_command_goes_on_when_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    with _piped(monkeypatch) as reader, ends_with_its_reader():
        say("first")
        first = os.read(reader, 100)
        os.close(reader)
        written = [write("x" * 9000) for write in (say, console().print, sys.stdout.write) * 2]
    assert (first, len(written)) == (b"first\n", 6)


def _fail() -> None:
    with ends_with_its_reader():
        say("differ: 3")
        sys.exit(1)


def test_it_ends_with_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    with _piped(monkeypatch) as reader:
        os.close(reader)
        with pytest.raises(SystemExit) as ended:
            _fail()
    assert ended.value.code == 1


def test_what_is_read_arrives_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    with _piped(monkeypatch) as reader, ends_with_its_reader():
        sys.stdout.write("Zählerstand")
    with os.fdopen(reader, encoding="utf-8") as end:
        assert end.read() == "Zählerstand"


def test_the_simulator_goes_on_when_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        outlive_reader()
        os.close(reader)
        assert [sys.stdout.write("x" * 9000) for _ in range(2)] == [9000, 9000]
        sys.stdout.flush()
