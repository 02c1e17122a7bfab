"""Where something stands in what somebody wrote: by ids, as people name it, and by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml.comments import CommentedMap, CommentedSeq

Path = tuple[str | int, ...]

#: What one entry of a list is called.
_ONE_OF: Final = {
    "devices": "device",
    "channels": "channel",
    "factors": "factor",
    "sources": "source",
    "thresholds": "threshold",
    "maintenance": "maintenance",
    "notify": "notify entry",
    "epochs": "epoch",
    "audits": "audit",
    "calibration_functions": "calibration function",
    "runs": "run",
    "pollutants": "pollutant",
    "limits": "limit",
    "conditions": "condition",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A part of a document."""

    #: such as ``device meter-grid, channel import, max_gap``; empty: the document itself
    words: str
    #: counted from 1; 0: the document has no lines
    line: int
    #: of the last step, counted from 1; 0: the document has none
    column: int
    #: the innermost id that the words name
    id: str | None
    #: the steps that are there, or that are missing at its end
    path: Path
    #: what stands there, None if nothing does
    node: Any = field(repr=False)
    #: what it stands in
    parent: Any = field(repr=False)


#: Keys that a file has another word for than what is stored.
_AS_WRITTEN: Final[Mapping[str | int, str]] = {"unit_from": "unit"}


def find(document: Any, path: Sequence[str | int], *, missing: bool = False) -> Place:
    """Walk ``path`` as far as the document goes.

    A step that is not there is a name of a kind (pydantic puts such into its paths) and left out,
    but for the last one if the finding is that it is ``missing``.
    """
    node, parent, ident = document, None, None
    words: list[str] = []
    taken: list[str | int] = []
    mark = (int(document.lc.line), 0) if isinstance(document, CommentedMap) else (-1, -1)
    listed = ""
    for i, stored in enumerate(path):
        is_written = isinstance(node, Mapping) and stored in node
        step = stored if is_written else _AS_WRITTEN.get(stored, stored)
        if isinstance(node, Mapping) and step in node:
            mark = _mark(node, step, mark)
            parent, node, listed = node, node[step], str(step)
            words.append(listed)
        elif isinstance(step, int) and _is_list(node) and step < len(node):
            mark = _mark(node, step, mark)
            parent, node = node, node[step]
            stated = node.get("id") if isinstance(node, Mapping) else None
            # an epoch has no id, two of one list may have the same one: then its number tells
            ident = str(stated)[:63] if isinstance(stated, str | int) else ident
            number = step + 1 if not isinstance(stated, str | int) else str(stated)[:63]
            words[-1:] = [entry_name(listed, number)]
        elif missing and i == len(path) - 1 and isinstance(step, str):
            words.append(step)
        else:
            continue
        taken.append(step)
    return Place(
        words=", ".join(words),
        line=mark[0] + 1,
        column=mark[1] + 1,
        id=ident,
        path=tuple(taken),
        node=node,
        parent=parent,
    )


def entry_name(key: str, ident: object) -> str:
    """Return what an entry of the list ``key`` is called, by its id or number."""
    return f"{_ONE_OF.get(key, f'{key}, entry')} {ident}".rstrip()


def pointer(path: Path) -> str:
    """Return a path as a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def _is_list(node: Any) -> bool:
    return isinstance(node, Sequence) and not isinstance(node, str)


def _mark(node: Any, step: str | int, otherwise: tuple[int, int]) -> tuple[int, int]:
    """Return the line and column at which a step stands, both counted from 0."""
    if isinstance(node, CommentedMap):
        line, column = node.lc.key(step)
    elif isinstance(node, CommentedSeq):
        line, column = node.lc.item(step)
    else:
        return otherwise
    return int(line), int(column)
