"""What a file is refused for: by itself, or by what the registry holds."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """One thing that is wrong with a facility file."""

    #: counted from 1; 0 where the problem has no place
    line: int
    message: str
    #: counted from 1; 0 where the problem has no place in its line
    column: int = field(default=0, compare=False)
    #: what it is about, as a JSON pointer; empty: the document
    path: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


class FacilityFileError(ValueError):
    """The facility file is refused whole; :attr:`problems` has every reason."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("; ".join(map(str, self.problems)))


class ApplyError(ValueError):
    """The file contradicts what the registry already holds; nothing was changed."""
