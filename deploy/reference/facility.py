"""The page of the facility file."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from deploy.reference.markdown import code, page, table
from services.core.facility.activity_table import ActivityTable
from services.core.facility.fields import Part
from services.core.facility.headings import anchor, headings, keys
from services.core.facility.model import FacilityFile
from services.core.facility.table_file import TableFile
from services.core.timeline import durations

#: Stands for the links to the parts until their places are known.
_PART = "PART"
_DURATION = "duration"
_SEVERAL = {tuple, list}
_EITHER = {Union, types.UnionType}

#: What a plain type is called in the column of values.
_WORDS = {
    "str": "text",
    "float": "number",
    "int": "whole number",
    "bool": "true or false",
    "date": "day, such as 2026-01-01",
    "AwareDatetime": "instant",
}
_EXAMPLE = """\
```yaml
facility: {id: mill, name: Paper mill, timezone: Europe/Vienna}
devices:
  - id: main-meter
    channels:
      - {id: import, quantity: energy, unit: kWh, kind: counter, max_rate: 5000}
sources:
  - {id: grid, scope: 2, method: activity, input: main-meter.import, factor: grid-gb}
```"""

_TABLE_EXAMPLE = """\
<!-- example: a table file -->
```yaml
facility: linz
encoding: cp1252
separator: ";"
skip: 2
number: comma
time: {column: [Datum, Uhrzeit], format: "%d.%m.%Y %H:%M", timezone: Europe/Vienna}
values:
  - channel: meter-grid.import-energy
    column: Wirkenergie (kWh)
    unit: kWh
    quality: {column: Status, map: {W: good, E: uncertain}}
```"""

_ACTIVITY_EXAMPLE = """\
<!-- example: a table file of activities -->
```yaml
facility: office
sheet: Rechnungen
number: comma
date: "%d.%m.%Y"
last_day: true
entries:
  - channel: books.heat
    where: {Art: Fernwärme}
    id: Rechnungsnummer
    from: von
    to: bis
    amount: Menge
    unit: {column: Einheit}
    document: Beleg
```"""


_EDITORS = """\
## While you write

An editor with a YAML language server completes keys, shows what they mean and marks mistakes when
the file begins with the address of its JSON Schema, which the API serves:

```yaml
# yaml-language-server: $schema=http://127.0.0.1:8000/docs/reference/facility.schema.json
```

`tonne schema > facility.schema.json` writes the same schema to a file; a path works in that line,
too. The schema is [here](facility.schema.json)."""


def page_of_facility_file() -> str:
    """Return the page: each part of a facility file with its keys, values and defaults."""
    return page(
        "Facility file",
        "A facility file describes one site: its devices and channels, its factors, what emits,"
        " what is watched and who hears of it. It is YAML or JSON. `tonne apply FILE` refuses the"
        " whole file with every error and its line, or puts all of it into force; applied again it"
        " changes nothing.",
        _EXAMPLE,
        "A *duration* is a number of seconds or a text such as `90s`, `15m`, `1h30m`, `1d`, `1w` or"
        " `PT1H30M`. An *instant* is RFC 3339 with an offset, or a day, which begins at midnight"
        " UTC; a time without an offset is one of UTC, and `tonne apply` says so. A *slug* is"
        " `[a-z0-9][a-z0-9-]{0,62}`.",
        _EDITORS,
        *_sections(FacilityFile),
    )


def page_of_table_file() -> str:
    """Return the page: each part of a table file with its keys, values and defaults."""
    return page(
        "Table file",
        "A table file says what stands where in the files of a utility or a logger, for"
        " `tonne import --table` ([how to](../howto/import.md)). It is YAML or JSON.",
        _TABLE_EXAMPLE,
        *_sections(TableFile),
    )


def page_of_activity_table() -> str:
    """Return the page: each part of a table file of activities, as above."""
    return page(
        "Table file of activities",
        "A table file of activities says what stands where in a list of bills, deliveries, trips or"
        " refills, for `tonne activities import --table` ([how to](../howto/scope-3.md)). It is"
        " YAML or JSON.",
        _ACTIVITY_EXAMPLE,
        *_sections(ActivityTable),
    )


def _sections(file: type[BaseModel]) -> list[str]:
    of_part = headings(file)
    return [_section(part, of_part) for part in of_part]


def _section(part: type[BaseModel], of_part: Mapping[type[BaseModel], str]) -> str:
    said = " ".join((part.__doc__ or "").split("\n\n")[0].split())
    rows = []
    for key, field in keys(part):
        values, parts, _ = _values(_kind(field))
        titles = [of_part[inner] for inner in parts]
        links = " or ".join(f"[{title}](#{anchor(title)})" for title in titles)
        shown = values.replace(_PART, links)
        rows.append((code(key), shown, _default(field, values), field.description))
    header = ("key", "value", "default", "meaning")
    return f"## {of_part[part]}\n\n{said}\n\n" + table(header, rows)


def _kind(field: Any) -> Any:
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _default(field: Any, values: str) -> str:
    if field.is_required():
        return "needed"
    default = field.default
    if default is None or default == ():
        return ""
    return code(f"{_shown(default)}s" if values == _DURATION and default else _shown(default))


def _shown(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _values(kind: Any) -> tuple[str, list[type[Part]], bool]:  # noqa: PLR0911 - a line a kind
    """Return the values in words, the parts among them, and whether there may be several."""
    origin = get_origin(kind)
    if origin is Annotated:
        inner, *said = get_args(kind)
        if any(getattr(each, "func", None) is durations.seconds for each in said):
            return _DURATION, [], False
        return _values(inner)
    if origin is Literal:
        return " ".join(code(each) for each in get_args(kind)), [], False
    if origin in _EITHER:
        found = [_values(each) for each in get_args(kind) if each is not type(None)]
        words = " or ".join(dict.fromkeys(word for word, _, _ in found))
        return words, [p for _, parts, _ in found for p in parts], any(s for _, _, s in found)
    if origin in _SEVERAL:
        inner = [each for each in get_args(kind) if each is not Ellipsis]
        words, parts, _ = _values(inner[0])
        shown = f"list of {words}" if len(inner) == 1 else f"[{', '.join(['number'] * len(inner))}]"
        return shown, parts, True
    if isinstance(kind, type) and issubclass(kind, Part):
        return _PART, [kind], False
    name = "keys and values" if origin is dict else getattr(kind, "__name__", str(kind))
    return _WORDS.get(name, name), [], False
