"""Routes that know before a request comes what is to be done for it.

FastAPI finds out anew for each request of what kind every function is that a call depends on, and
what it takes. Of a call that is polled and mostly answers with what it has, that is a quarter.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams

from services.api.http.same_site import no_form
from services.api.http.validation import no_unknown_parameter

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

#: What a dependency may take beside the request, none of which a plain call has.
_OTHER_PARAMETERS: Final = (
    "path_params",
    "cookie_params",
    "body_params",
    "websocket_param_name",
    "http_connection_param_name",
    "response_param_name",
    "background_tasks_param_name",
    "security_scopes_param_name",
)


async def well_asked(request: Request) -> None:
    """Refuse what no call accepts; FastAPI takes longer to call a function than it takes itself."""
    await no_form(request)
    await no_unknown_parameter(request)


class Call(APIRoute):
    """A route whose plain calls are made without FastAPI's looking for what they take.

    Plain is one that takes the request, what functions of the request return, one model of query
    parameters and headers as they are, and that returns a response. It answers, and refuses, to
    the letter as FastAPI does it; any other call FastAPI makes itself.
    """

    def get_route_handler(self) -> Handler:
        """Build what answers a request."""
        return _plain_handler(self.dependant) or super().get_route_handler()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Dependency:
    """A function whose result a call takes under a name; None: it only looks at the request."""

    name: str | None
    call: Callable[..., Awaitable[Any]]
    request_name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _QueryModel:
    name: str
    model: type[BaseModel]
    #: what its parameters may be called, and which of them are lists
    parameters: frozenset[str]
    lists: frozenset[str]

    def read(self, query: QueryParams) -> BaseModel:
        """Validate what was sent.

        :raises RequestValidationError: as FastAPI words it.
        """
        sent: dict[str, list[str]] = {}
        for name, value in query.multi_items():
            sent.setdefault(name, []).append(value)
        values = {name: self._value(name, several) for name, several in sent.items()}
        try:
            return self.model.model_validate(values)
        except ValidationError as error:
            details = error.errors(include_url=False)
            raise RequestValidationError(
                [{**detail, "loc": ("query", *detail["loc"])} for detail in details]
            ) from None

    def _value(self, name: str, several: list[str]) -> str | list[str]:
        if name in self.lists or (name not in self.parameters and len(several) > 1):
            return several
        return several[-1]


def _plain_handler(dependant: Dependant) -> Handler | None:
    """Build the handler of a plain call; None: it is not plain."""
    endpoint = dependant.call
    before = _dependencies(dependant.dependencies)
    headers = _headers(dependant)
    query = _query_model(dependant)
    if (
        endpoint is None
        or before is None
        or headers is None
        or (query is None and dependant.query_params)
        or not inspect.iscoroutinefunction(endpoint)
        or inspect.signature(endpoint, eval_str=True).return_annotation is not Response
        or _takes_others(dependant)
    ):
        return None
    request_name = dependant.request_param_name
    # a model refuses by itself what it does not know
    check = well_asked if query is None else no_form

    async def handle(request: Request) -> Response:
        await check(request)
        values: dict[str, Any] = {}
        for dependency in before:
            value = await dependency.call(**{dependency.request_name: request})
            if dependency.name is not None:
                values[dependency.name] = value
        if query is not None:
            values[query.name] = query.read(request.query_params)
        for name, (header, default) in headers.items():
            values[name] = request.headers.get(header, default)
        if request_name is not None:
            values[request_name] = request
        answer: Response = await endpoint(**values)
        return answer

    return handle


def _dependencies(dependants: Sequence[Dependant]) -> tuple[_Dependency, ...] | None:
    """Return the functions that a call depends on; None: one takes more than the request."""
    dependencies = []
    for dependant in dependants:
        call = dependant.call
        is_async = inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(
            getattr(call, "__call__", None)  # noqa: B004 - an object may be called, too
        )
        takes_more = dependant.dependencies or dependant.query_params or dependant.header_params
        if (
            call is None
            or not is_async
            or dependant.request_param_name is None
            or takes_more
            or _takes_others(dependant)
        ):
            return None
        dependencies.append(
            _Dependency(name=dependant.name, call=call, request_name=dependant.request_param_name)
        )
    return tuple(dependencies)


def _takes_others(dependant: Dependant) -> bool:
    return any(getattr(dependant, name) for name in _OTHER_PARAMETERS)


def _headers(dependant: Dependant) -> Mapping[str, tuple[str, str]] | None:
    """Return the header of each parameter, and its default; None: one is no text as it came."""
    headers = {}
    for field in dependant.header_params:
        if field.field_info.annotation is not str or not isinstance(field.default, str):
            return None
        headers[field.name] = field.alias.replace("_", "-"), field.default
    return headers


def _query_model(dependant: Dependant) -> _QueryModel | None:
    """Return the model of the query's parameters; None: there is none, or more than one."""
    if len(dependant.query_params) != 1:
        return None
    (field,) = dependant.query_params
    model = field.field_info.annotation
    if not (inspect.isclass(model) and issubclass(model, BaseModel)):
        return None
    annotations = {
        word: parameter.annotation
        for name, parameter in model.model_fields.items()
        for word in (name, parameter.alias or name)
    }
    return _QueryModel(
        name=field.name,
        model=model,
        parameters=frozenset(annotations),
        lists=frozenset(name for name, annotation in annotations.items() if _is_list(annotation)),
    )


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) in {Union, UnionType}:
        return any(map(_is_list, get_args(annotation)))
    return get_origin(annotation) is list
