"""The pages of HTTP calls and of problem types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deploy.reference.markdown import code, page, table
from services.api.app import create_app
from services.api.http.problems import Problem
from services.core.runtime.settings import Settings


def page_of_calls() -> str:
    """Return the page: each call with its parameters, body and answers."""
    specification = create_app(Settings()).openapi()
    parts = [
        _call(method, path, call)
        for path, calls in specification["paths"].items()
        for method, call in calls.items()
    ]
    return page(
        "HTTP API",
        specification["info"]["description"].strip(),
        "Each call needs `Authorization: Bearer KEY` with a key of `tonne keys create`, unless"
        " `TONNE_API_AUTH=off`. The OpenAPI specification is at `/v1/openapi.json`. What goes wrong"
        " is answered as a [problem](errors.md). Whatever answers `GET` answers `HEAD`, with the"
        " same status and headers and no body.",
        *parts,
    )


def page_of_problems() -> str:
    """Return the page: each type of problem with its status and meaning."""
    rows = sorted(
        (each.status, f"`urn:tonne:problem:{each.slug}`", each.title, _meaning(each))
        for each in _problems(Problem)
    )
    return page(
        "Error types",
        "The API answers an error as RFC 9457 problem details (`application/problem+json`): `type`,"
        " `title`, `status`, `detail`, and `errors` where several things are wrong. `detail` says"
        " what to do.",
        table(("status", "type", "title", "meaning"), rows),
    )


def _call(method: str, path: str, call: dict[str, Any]) -> str:
    parts = [f"## `{method.upper()} {path}`", f"{call['summary']}."]
    if call.get("description"):
        parts.append(call["description"])
    rows = [
        (
            code(each["name"]),
            each["in"],
            "needed" if each.get("required") else _default(each["schema"]),
            each.get("description") or each["schema"].get("description"),
        )
        for each in call.get("parameters", [])
    ]
    if rows:
        parts.append(table(("parameter", "in", "default", "meaning"), rows))
    answers = [
        (status, " ".join(code(kind) for kind in each.get("content", {})), each["description"])
        for status, each in call["responses"].items()
    ]
    parts.append(table(("answer", "type", "meaning"), answers))
    return "\n\n".join(parts)


def _default(schema: dict[str, Any]) -> str:
    default = schema.get("default")
    return "" if default is None or default == [] else code(default)


def _problems(kind: type[Problem]) -> Iterator[type[Problem]]:
    for each in kind.__subclasses__():
        yield each
        yield from _problems(each)


def _meaning(kind: type[Problem]) -> str:
    return " ".join((kind.__doc__ or "").split())
