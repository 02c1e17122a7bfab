"""Clocks of programs that jump when they are told to, by libfaketime."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.services import Postgres

_LIBRARIES: Final = list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def available() -> bool:
    """Whether the library is on this machine."""
    return bool(_LIBRARIES)


class FakeClock:
    """The clock of the programs that run in its environment; time itself goes on as it does."""

    def __init__(self, path: Path) -> None:
        """``path``: a file of its own, which holds how far it is from the right time."""
        self._path = path
        self.jump_to("+0s")

    def jump_to(self, offset: str) -> None:
        """Be so far from the right time, such as ``-90s``."""
        new = self._path.with_name(f"{self._path.name}.new")
        new.write_text(f"{offset}\n")
        new.chmod(0o644)
        new.replace(self._path)

    def environment(self, *, looks_every_s: int = 1) -> dict[str, str]:
        """What a program needs to go by it; it looks at the file so often, 0: at each call."""
        looks = {"FAKETIME_CACHE_DURATION": str(looks_every_s)}
        return {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            **(looks if looks_every_s else {"FAKETIME_NO_CACHE": "1"}),
        }


class ClockedPostgres(Postgres):
    """A server that goes by a clock of its own where it is started so."""

    def __init__(self, directory: Path, *, goes_by_it: bool = True) -> None:
        """``goes_by_it``: from the next start on, as the attribute."""
        super().__init__(directory)
        self.clock = FakeClock(directory / "offset")
        self.goes_by_it = goes_by_it

    def command(self) -> list[str]:
        words = super().command()
        if not self.goes_by_it:
            return words
        program = next(i for i, word in enumerate(words) if word.endswith("/postgres"))
        clock = self.clock.environment(looks_every_s=0)
        return [*words[:program], "env", *(f"{n}={v}" for n, v in clock.items()), *words[program:]]
