"""The shape of a list's rows, said once: by the model that the specification shows.

The columns of CSV, the types of Arrow, the specification's example and the rows themselves follow
from the model's fields, in their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

import nanoarrow as na
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from services.api.http import arrow_stream, csv_lines
from services.api.http.columns import Cells, Column, Table
from services.api.http.formats import CSV, JSON, MEDIA_TYPES
from services.api.http.problems import InvalidRequest, Problem, documented

Row = dict[str, Any]


class Shape:
    """The rows of one list, each a flat object."""

    def __init__(self, model: type[BaseModel], *, arrow: bool = False) -> None:
        self.model = model
        self._fields = {f.alias or name: f for name, f in model.model_fields.items()}
        self.columns = tuple(self._fields)
        self.arrow: arrow_stream.Types | None = None
        if arrow:
            self.arrow = {name: _arrow_type(f) for name, f in self._fields.items()}

    def chosen(self, fields: Sequence[str]) -> Shape:
        """Return the shape of rows with these columns only; none: with all.

        :raises InvalidRequest: there is no such column.
        """
        if not fields:
            return self
        for field in fields:
            if field not in self.columns:
                raise InvalidRequest(
                    f"fields: `{field}` is no column of this list, which has"
                    f" {', '.join(self.columns)}"
                )
        part = copy(self)
        part.columns = tuple(dict.fromkeys(fields))
        if self.arrow is not None:
            part.arrow = {name: self.arrow[name] for name in part.columns}
        return part

    @property
    def media_types(self) -> list[str]:
        """Every format that the list is offered in; the first is the default."""
        return [JSON, CSV] if self.arrow is None else list(MEDIA_TYPES.values())

    def row(self, record: object, **special: Any) -> Row:
        """Build a row: what is ``special`` about it, the rest as ``record`` names it too."""
        return {
            name: special[name] if name in special else getattr(record, name)
            for name in self.columns
        }

    def documented(self, description: str, *problems: type[Problem]) -> dict[int | str, Any]:
        """Describe the answers of a call that lists such rows, for OpenAPI."""
        content: dict[str, Any] = {CSV: {"example": self._csv_example()}}
        if self.arrow is not None:
            for binary in self.media_types[2:]:
                content[binary] = {"schema": {"type": "string", "format": "binary"}}
        return {200: {"description": description, "content": content}, **documented(*problems)}

    def table(self, columns: Mapping[str, Column]) -> Table:
        """Put columns in the model's order, of which none may be left out."""
        if columns.keys() != set(self.columns):
            raise TypeError(f"not the columns of the list: {columns.keys() ^ set(self.columns)}")
        return Table({name: columns[name] for name in self.columns})

    def table_of(self, rows: Sequence[Row]) -> Table:
        """Put rows as columns."""
        return Table({name: Cells([row[name] for row in rows]) for name in self.columns})

    def _csv_example(self) -> str:
        example = {name: _example(name, f) for name, f in self._fields.items()}
        return (
            csv_lines.header(self.columns) + csv_lines.lines(self.table_of([example]))
        ).removesuffix("\r\n")


def _example(name: str, field: FieldInfo) -> Any:
    if not field.examples:
        raise TypeError(f"{name}: a column of a list needs an example")
    return field.examples[0]


#: Type of a column by the type of its field.
_ARROW_TYPES: Final[dict[type, Any]] = {
    bool: na.bool_,
    int: na.int32,
    float: na.float64,
    str: na.string,
}


def _arrow_type(field: FieldInfo) -> na.Schema:
    kinds = _kinds(field.annotation)
    nullable = NoneType in kinds
    (kind,) = kinds - {NoneType}
    if kind is datetime:
        return na.timestamp("us", timezone="UTC", nullable=nullable)
    return _ARROW_TYPES[kind](nullable=nullable)


def _kinds(annotation: Any) -> set[type]:
    if get_origin(annotation) is Literal:
        return {type(kind) for kind in get_args(annotation)}
    if get_origin(annotation) in {Union, UnionType}:
        return set().union(*map(_kinds, get_args(annotation)))
    return {annotation}
