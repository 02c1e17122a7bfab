"""What people and programs write for tonne: heads of requests, facility files and table files."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request

from services.api.admission.gate import key_of, session_of
from services.api.http.problems import Problem
from services.api.http.well_formed import check_json
from services.api.languages import LANGUAGES
from services.api.languages.choice import language_of
from services.api.routes.send_readings import _form
from services.core.facility import activity_table, file, table_file
from services.core.facility.errors import FacilityFileError
from services.core.runtime.reading_door import FORMS

#: What a facility or table file has of bytes; a longer one is refused by its size alone.
_MOST_BYTES: Final = 20_000


def http_heads(data: bytes) -> set[str]:
    """Read headers of the door for readings, a line each, and the body behind an empty line."""
    head, _, body = data.partition(b"\n\n")
    headers = [
        (name.strip().lower(), value.strip())
        for name, colon, value in (line.partition(b":") for line in head.split(b"\n"))
        if colon
    ]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/v1/readings",
        "query_string": b"",
        "headers": headers,
        "client": ("192.0.2.1", 1),
    }
    request = Request(scope)
    assert language_of(request) in LANGUAGES
    for secret in (key_of(scope), key_of({**scope, "path": "/prometheus/"})):
        assert secret is None or secret.strip()
    assert session_of(scope, "tonne") != ""
    problem = None
    try:
        form, is_gzip = _form(request)
        assert form in FORMS
        assert type(is_gzip) is bool
        check_json(body)
    except Problem as raised:
        problem = raised
    assert problem is None or (400 <= problem.status < 500 and problem.detail)
    return set()


def facility_files(data: bytes) -> set[str]:
    """Read a facility file: a model, or mistakes that are sentences, each with its line."""
    _read(file.parse, data)
    return set()


def table_files(data: bytes) -> set[str]:
    """Read a table file, of readings and of activities, likewise."""
    _read(table_file.parse_table, data)
    _read(activity_table.parse_activity_table, data)
    return set()


def _read(parse: Any, data: bytes) -> None:
    text = data[:_MOST_BYTES].decode(errors="replace")
    lines = text.count("\n") + len(text.splitlines()) + 2
    try:
        parse(text)
    except FacilityFileError as error:
        problems = error.problems
    else:
        return
    assert problems
    for problem in problems:
        assert problem.message.strip()
        assert len(problem.message) < 5_000
        assert 0 <= problem.line <= lines
