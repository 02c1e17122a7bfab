"""What FastAPI finds wrong with a request, as a problem that says what to send instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from services.api.http.problems import InvalidRequest
from services.api.languages.reader import translate
from services.core.accounting.spelling import nearest
from services.core.facility import plain_words
from services.core.facility.headings import parts
from services.core.facility.written import flow

#: What pydantic's path begins with, and where FastAPI keeps what the call takes there.
_PARAMETERS: Final = {
    "query": "query_params",
    "path": "path_params",
    "header": "header_params",
    "body": "body_params",
}


def problem(error: RequestValidationError, request: Request) -> InvalidRequest:
    """Name every wrong parameter with what is wrong and, where it is not known, those that are."""
    details = error.errors()
    unknown = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    misspelt = {
        (*place[:-1], nearest(str(place[-1]), _known(request, str(place[0])))) for place in unknown
    }
    errors = [
        _entry(detail, request)
        for detail in details
        if detail["type"] != "missing" or detail["loc"] not in misspelt
    ]
    return InvalidRequest(
        "; ".join(f"{entry['parameter']}: {entry['message']}" for entry in errors), errors=errors
    )


async def no_unknown_parameter(request: Request) -> None:
    """Refuse a parameter where the call takes none; elsewhere the call's model does.

    :raises InvalidRequest: naming it.
    """
    if (
        request.query_params
        and request.url.path.startswith("/v1/")
        and not _known(request, "query")
    ):
        for name in request.query_params:
            message = translate(_unknown(name, (), "query"))
            raise InvalidRequest(
                f"{name}: {message}", errors=[{"parameter": name, "message": message}]
            )


def _entry(detail: ErrorDetails, request: Request) -> dict[str, str]:
    where, *path = detail["loc"]
    # the place in a list is of no use to who repeats a parameter or separates by commas
    names = [step for step in path if isinstance(step, str)] if where == "query" else path
    name = ".".join(map(str, names)) or str(where)
    known = _known(request, str(where))
    if detail["type"] == "extra_forbidden":
        message = _unknown(str(path[-1]), list(known), str(where))
    elif detail["type"] == "missing":
        field = known.get(str(path[-1])) if path else None
        message = _required(str(path[-1]) if path else "", field, str(where))
    else:
        message = plain_words.sentence(detail)
    return {"parameter": name, "message": translate(message)}


def _unknown(name: str, known: Sequence[str], where: str) -> str:
    noun = "key" if where == "body" else "parameter"
    if not known:
        return f"unknown {noun}; this call takes none"
    meant = nearest(name, known)
    guess = "" if meant is None else f" (did you mean {meant}?)"
    return f"unknown {noun}{guess}; this call takes {', '.join(known)}"


def _required(name: str, field: FieldInfo | None, where: str) -> str:
    examples = (field.examples if field is not None else None) or []
    if not examples:
        return "required"
    example = examples[0]
    if where == "body":
        return f"required, for example {name}: {flow(example)}"
    text = ",".join(map(str, example)) if isinstance(example, list) else str(example)
    return f"required, for example {name}={text}"


def _known(request: Request, where: str) -> dict[str, FieldInfo]:
    """Return what the call takes there, by name."""
    dependant = getattr(request.scope.get("route"), "dependant", None)
    known: dict[str, FieldInfo] = {}
    for parameter in getattr(dependant, _PARAMETERS.get(where, ""), ()):
        models = list(parts(parameter.field_info.annotation))
        for model in models:
            known |= {field.alias or name: field for name, field in model.model_fields.items()}
        if not models:
            known[parameter.alias] = parameter.field_info
    return known
