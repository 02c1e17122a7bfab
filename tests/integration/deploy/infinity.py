"""What Grafana's Infinity data source makes of an answer, by the rules of its backend parser.

As version 3.11.1 does: Grafana fills variables into root selectors and parameters but not into
selectors of columns; root selectors and columns are paths of GJSON.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

from tests.integration.deploy.gjson_paths import NothingThereError, get

_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::\w+)?\}")

#: Cells by column.
Frame = dict[str, list[Any]]


def fill(text: str, variables: Mapping[str, str]) -> str:
    """Put variables in as Grafana does; what it does not know stays as it is."""
    return _VARIABLE.sub(lambda m: variables.get(m[1] or m[2], m[0]), text)


async def frame_of(
    client: httpx.AsyncClient, query: Mapping[str, Any], variables: Mapping[str, str]
) -> Frame:
    """Ask what a query asks, and read the answer as its columns say."""
    assert query["parser"] == "backend"
    params = [(p["key"], fill(p["value"], variables)) for p in query["url_options"]["params"]]
    accept = "text/csv" if query["type"] == "csv" else "application/json;q=0.9,text/plain"
    answer = await client.get(query["url"], params=params, headers={"Accept": accept})
    assert answer.status_code == 200, (query["url"], params, answer.text)
    if query["type"] == "csv":
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        return {
            column["text"]: [_typed(row[column["selector"]], column["type"]) for row in rows]
            for column in query["columns"]
        }
    return _framed(answer.json(), fill(query["root_selector"], variables), query)


def _framed(body: Any, root: str, query: Mapping[str, Any]) -> Frame:
    if root:
        # what GJSON does not find is asked for as JSONata, and most often refused
        body = get(body, root)
    if not query["columns"]:
        return {query["refId"]: [body]}
    rows = body if isinstance(body, list) else [body]
    return {
        column["text"]: [_typed(_at(row, column["selector"]), column["type"]) for row in rows]
        for column in query["columns"]
    }


def _at(row: Any, path: str) -> Any:
    try:
        return get(row, path)
    except NothingThereError:
        return None


def _typed(value: Any, kind: str) -> Any:
    """Read a cell as a column's type; what it cannot be read as is null."""
    if isinstance(value, list | dict):
        return json.dumps(value)
    if value is None or value == "":
        return None
    if kind == "string":
        return value if isinstance(value, str) else f"{value:g}"
    if kind == "timestamp":
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    try:
        return float(value)
    except ValueError:
        return None
