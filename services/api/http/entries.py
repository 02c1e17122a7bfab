"""Entries of a facility file as bodies of calls: read, checked, and described for OpenAPI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Path, Request
from pydantic import BaseModel, TypeAdapter, ValidationError

from services.api.http.problems import InvalidRequest
from services.core.facility import plain_words
from services.core.facility.fields import SLUG, Part

Stated = TypeVar("Stated", bound=Part)
Body = dict[str, Any]

#: The id of an entry in an address.
EntryId = Annotated[str, Path(pattern=SLUG, description="id")]

_BODY: TypeAdapter[Body] = TypeAdapter(Body)


class Entry(Generic[Stated]):
    """One kind of entry, which is accepted as a facility file has it and as GET shows it.

    ``row`` is the model of GET. ``understand`` changes a body of GET into one of a facility file,
    where leaving out what only GET shows is not enough.
    """

    def __init__(
        self,
        part: type[Stated],
        row: type[BaseModel],
        *,
        understand: Callable[[Body], None] = lambda _: None,
    ) -> None:
        self._part = part
        self._only_shown = _names(row) - _names(part)
        self._understand = understand

    def documented(self) -> dict[str, Any]:
        """Describe the body as the file has it, without the id, which the address names."""
        schema = self._part.model_json_schema(ref_template="#/components/schemas/{model}")
        schema["properties"] = {k: v for k, v in schema["properties"].items() if k != "id"}
        schema["required"] = [name for name in schema["required"] if name != "id"]
        schema.pop("$defs", None)
        content = {"application/json": {"schema": schema}}
        return {"requestBody": {"required": True, "content": content}}

    def stated(self, body: Body, slug: str) -> Stated:
        """Read the entry in a body of :func:`read`.

        :raises InvalidRequest: the entry is invalid or has another id than the address.
        """
        self._understand(body)
        body = {key: value for key, value in body.items() if key not in self._only_shown}
        if body.setdefault("id", slug) != slug:
            raise InvalidRequest(f"id: the body names {body['id']}, the address names {slug}")
        try:
            return self._part.stated(body)
        except ValidationError as error:
            findings = plain_words.findings(error, body, self._part)
            raise InvalidRequest(
                "; ".join(map(str, findings)),
                errors=[
                    {"parameter": finding.place.words, "message": finding.mistake}
                    for finding in findings
                ],
            ) from None


async def read(request: Request, facility: str | None) -> tuple[Body, str | None]:
    """Read a body, and the facility that it or the address names.

    :raises InvalidRequest: the body is no JSON object, or names another facility.
    """
    try:
        body = _BODY.validate_json(await request.body())
    except ValidationError as error:
        raise InvalidRequest(f"body: {error.errors()[0]['msg']}") from None
    named = body.pop("facility", None)
    if named is None:
        return body, facility
    if not isinstance(named, str) or facility not in (None, named):
        raise InvalidRequest(f"facility: the body names {named}, the address names {facility}")
    return body, named


def _names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}
