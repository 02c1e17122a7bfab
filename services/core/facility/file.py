"""Read a facility file: YAML or JSON into the model, every error with its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from services.core.accounting.factors import Factor
from services.core.facility import local_times, places, plain_words
from services.core.facility.bounded_yaml import TooMuchError, load_yaml
from services.core.facility.checks import Finding, problems_of_devices, warnings
from services.core.facility.checks import problems as computability_problems
from services.core.facility.errors import FacilityFileError, Problem
from services.core.facility.model import FacilityFile

__all__ = [
    "MAX_BYTES",
    "Checked",
    "FacilityFileError",
    "Problem",
    "check",
    "load",
    "mistakes",
    "parse",
    "parse_devices",
    "plain",
]

#: Of a facility file that is read; one of a thousand channels has a fifth of a million.
MAX_BYTES = 1 << 20


def parse(text: str, shared: Sequence[Factor] = (), *, max_bytes: int = MAX_BYTES) -> FacilityFile:
    """Read and check a facility file; ``shared``: the registry's factors for every facility.

    :raises FacilityFileError: with every problem found, each with its line.
    """
    document, model = _stated(text, max_bytes)
    _refuse(document, computability_problems(model, shared))
    model.written_locally(local_times.warnings(document, model.facility.timezone))
    return model


def parse_devices(text: str, *, max_bytes: int = MAX_BYTES) -> FacilityFile:
    """Read a facility file for what its devices send; the registry's factors are not needed.

    :raises FacilityFileError: with every problem of the text and of its devices.
    """
    document, model = _stated(text, max_bytes)
    _refuse(document, problems_of_devices(model))
    return model


def _stated(text: str, max_bytes: int) -> tuple[CommentedMap, FacilityFile]:
    document = load(text, max_bytes)
    try:
        return document, FacilityFile.stated(plain(document))
    except ValidationError as error:
        raise FacilityFileError(mistakes(error, document, FacilityFile)) from None


def _refuse(document: CommentedMap, findings: Iterable[Finding]) -> None:
    problems = [_problem(document, *finding) for finding in findings]
    if problems:
        raise FacilityFileError(problems)


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What a text is worth as the file of a facility, by itself."""

    problems: Sequence[Problem]
    #: of what is valid and may be unintended, a line each
    warnings: Sequence[str]


def check(
    text: str, slug: str, shared: Sequence[Factor] = (), *, max_bytes: int = MAX_BYTES
) -> Checked:
    """Check a text that is being written, as the file of the facility ``slug``."""
    try:
        file = parse(text, shared, max_bytes=max_bytes)
        refuse_other(file, slug)
    except FacilityFileError as error:
        return Checked(problems=error.problems, warnings=())
    return Checked(problems=(), warnings=list(warnings(file, shared)))


def refuse_other(file: FacilityFile, slug: str) -> None:
    """Let a file be that of the facility ``slug`` only.

    :raises FacilityFileError: it names another one.
    """
    if file.facility.id != slug:
        message = f"facility.id: the file names {file.facility.id}, the address names {slug}"
        raise FacilityFileError([Problem(line=0, message=message, path="/facility/id")])


def mistakes(
    error: ValidationError, document: CommentedMap, model: type[BaseModel]
) -> list[Problem]:
    """Return every mistake of a document, with its line."""
    problems = [
        _placed(finding.place, str(finding))
        for finding in plain_words.findings(error, document, model)
    ]
    more = error.error_count() - plain_words.MAX_FINDINGS
    if more > 0:
        last = max(problem.line for problem in problems)
        summary = f"and {more} more mistakes, listed when these are corrected"
        problems.append(Problem(line=last, message=summary))
    return problems


def _problem(document: CommentedMap, path: places.Path, reason: str) -> Problem:
    place = places.find(document, path)
    # a reason that names whom it is about needs no place
    named = place.id is not None and re.search(rf"(?<![\w-]){re.escape(place.id)}(?![\w-])", reason)
    return _placed(place, reason if named else f"{place.words}: {reason}")


def _placed(place: places.Place, message: str) -> Problem:
    return Problem(
        line=place.line,
        message=message,
        column=place.column,
        path=places.pointer(place.path),
    )


def load(text: str, max_bytes: int) -> CommentedMap:
    """Read a document: YAML or JSON.

    :raises FacilityFileError: it is none.
    """
    with refuse_what_is_no_yaml():
        document = load_yaml(text, max_bytes=max_bytes)
    if not isinstance(document, CommentedMap):
        raise FacilityFileError(
            [Problem(line=1, message="a facility file starts with facility: {id: ...}")]
        )
    return document


@contextmanager
def refuse_what_is_no_yaml() -> Iterator[None]:
    """Tell what a text is refused for that is being read.

    :raises FacilityFileError: it is no YAML, or too much.
    """
    try:
        yield
    except TooMuchError as error:
        message = f"{error}; split the facility, or raise TONNE_FILE_BYTES"
        raise FacilityFileError([Problem(line=error.line, message=message)]) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        wrong = str(error.problem)
        if r"'\t'" in wrong:
            wrong = "a line is indented with a tab; YAML takes spaces only"
        problem = Problem(line=line, message=f"not YAML: {wrong}", column=column)
        raise FacilityFileError([problem]) from None
    except FacilityFileError:
        raise
    except (YAMLError, ValueError, RecursionError) as error:
        raise FacilityFileError([Problem(line=0, message=f"not YAML: {error}")]) from None


def key_text(key: Any) -> str:
    """Return a key as the model knows it."""
    # true and false are words of devices too, as in quality: {map: {true: good}}
    return str(key).lower() if isinstance(key, bool) else str(key)


def plain(node: Any) -> Any:
    """Strip the round-trip types, which carry comments and styles."""
    if isinstance(node, dict):
        return {key_text(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node
