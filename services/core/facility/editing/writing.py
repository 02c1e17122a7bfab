"""Write a value as a facility file has it: in one line, or as lines of its own."""

from __future__ import annotations

import io
import json
import re
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

from services.core.facility.schema import keys_of_instants

#: So long a mapping or list may be to stand in one line.
_SHORT: Final = 70
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ].*)?")
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


class _Instant(str):
    """A day or instant, which is written without quotes."""

    __slots__ = ()


class _Quoted(str):
    """A text that is written in double quotes."""

    __slots__ = ()


class _Representer(SafeRepresenter):
    def represent_instant(self, value: _Instant) -> Any:
        """Represent a day or instant."""
        return self.represent_scalar(_TIMESTAMP, str(value))

    def represent_quoted(self, value: _Quoted) -> Any:
        """Represent a text in quotes."""
        return self.represent_scalar("tag:yaml.org,2002:str", str(value), style='"')


_Representer.add_representer(_Instant, _Representer.represent_instant)
_Representer.add_representer(_Quoted, _Representer.represent_quoted)


class Writing:
    """How values are written into one text."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def line(self, value: Any, *, key: str | int | None = None, like: str | None = None) -> str:
        """Return a value in one line.

        ``key``: whose value it is; ``like``: how the text before it was quoted.
        """
        if self._as_json:
            return json.dumps(value, ensure_ascii=False)
        if isinstance(value, dict):
            pairs = (
                f"{self.line(name)}: {self.line(part, key=name)}" for name, part in value.items()
            )
            return f"{{{', '.join(pairs)}}}"
        if isinstance(value, list):
            return f"[{', '.join(self.line(part, key=key) for part in value)}]"
        return _scalar(value, key=key, like=like)

    def lines(self, value: Any) -> list[str]:
        """Return a mapping or list that is not empty as lines, parts that are short in one."""
        if isinstance(value, dict):
            return [line for key, part in value.items() for line in self.pair(key, part)]
        return [line for part in value for line in self.entry(part)]

    def pair(self, key: str, value: Any) -> list[str]:
        """Return a key and its value as lines."""
        name = self.line(key)
        if self.is_short(value):
            return [f"{name}: {self.line(value, key=key)}"]
        return [f"{name}:", *(f"  {line}" for line in self.lines(value))]

    def entry(self, value: Any, *, in_one_line: bool = False) -> list[str]:
        """Return an entry of a list as lines."""
        if in_one_line or self.is_short(value):
            return [f"- {self.line(value)}"]
        first, *rest = self.lines(value)
        return [f"- {first}", *(f"  {line}" for line in rest)]

    def is_short(self, value: Any) -> bool:
        """Tell whether a value is written in one line."""
        if not isinstance(value, dict | list) or not value:
            return True
        parts = list(value.values()) if isinstance(value, dict) else value
        if any(isinstance(part, list) and any(map(_is_mapping, part)) for part in [value, *parts]):
            return False
        return len(self.line(value)) <= _SHORT


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _scalar(value: str | float | None, *, key: str | int | None, like: str | None) -> str:
    if isinstance(value, str):
        # a text of several lines stays in one
        if like == '"' or not value.isprintable():
            value = _Quoted(value)
        elif key in keys_of_instants() and _INSTANT.fullmatch(value):
            value = _Instant(value)
    writer = YAML(typ="safe", pure=True)
    writer.Representer = _Representer
    writer.default_flow_style = True
    writer.allow_unicode = True
    writer.width = 1 << 30
    text = io.StringIO()
    # in a list, so that what a list cannot hold without quotes has them
    writer.dump([value], text)
    return text.getvalue().rstrip("\n")[1:-1]
