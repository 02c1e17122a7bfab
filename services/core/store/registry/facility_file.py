"""Read a facility file: YAML or JSON into the model, every error with its line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from services.core.accounting.factors import Factor
from services.core.store.registry.computable import problems as computability_problems
from services.core.store.registry.facility_model import FacilityFile

Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """One thing that is wrong with a facility file."""

    #: counted from 1; 0 where the problem has no place
    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


class FacilityFileError(ValueError):
    """The facility file is refused whole; :attr:`problems` has every reason."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("; ".join(map(str, self.problems)))


def parse(text: str, shared: Sequence[Factor] = ()) -> FacilityFile:
    """Read and check a facility file; ``shared``: the registry's factors for every facility.

    :raises FacilityFileError: with every problem found, each with its line.
    """
    document = _load(text)
    try:
        model = FacilityFile.model_validate(_plain(document))
    except ValidationError as error:
        raise FacilityFileError(
            [
                Problem(line=_line(document, tuple(e["loc"])), message=_message(e))
                for e in error.errors()
            ]
        ) from None
    found = [
        Problem(line=_line(document, path), message=message)
        for path, message in computability_problems(model, shared)
    ]
    if found:
        raise FacilityFileError(found)
    return model


def _load(text: str) -> CommentedMap:
    try:
        document = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise FacilityFileError(
            [Problem(line=line, message=f"not YAML: {error.problem}")]
        ) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise FacilityFileError([Problem(line=0, message=f"not YAML: {error}")]) from None
    if not isinstance(document, CommentedMap):
        raise FacilityFileError(
            [Problem(line=1, message="a facility file starts with facility: {id: ...}")]
        )
    return document


def _plain(node: Any) -> Any:
    """Strip the round-trip types, which carry comments and styles."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _line(document: CommentedMap, path: Path) -> int:
    """The line of the deepest node that exists on ``path``, counted from 1."""
    node: Any = document
    line = document.lc.line
    for step in path:
        if isinstance(node, CommentedMap) and step in node:
            line = node.lc.key(step)[0]
            node = node[step]
        elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
            line = node.lc.item(step)[0]
            node = node[step]
        # else: a tag of a discriminated union, or a key that is missing; keep the parent's line
    return int(line) + 1


def _message(error: Any) -> str:
    place = ".".join(
        str(step) for step in error["loc"] if step not in {"activity", "stack", "function-before"}
    )
    what = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        what = "this key is not known here; check its spelling"
    elif error["type"] == "missing":
        what = "this key is missing"
    elif error["type"] == "string_pattern_mismatch" and place.endswith("id"):
        what = (
            f"{error['input']!r} is not an id: small letters, digits and hyphens, at most 63,"
            " starting with a letter or digit"
        )
    return f"{place}: {what}"
