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
    #: the innermost id that the words name
    id: str | None
    #: the steps that are there, or that are missing at its end
    path: Path
    #: what stands there, None if nothing does
    node: Any = field(repr=False)
    #: what it stands in
    parent: Any = field(repr=False)


def find(document: Any, path: Sequence[str | int], *, missing: bool = False) -> Place:
    """Walk ``path`` as far as the document goes.

    A step that is not there is a name of a kind (pydantic puts such into its paths) and left out,
    but for the last one if the finding is that it is ``missing``.
    """
    node, parent, ident = document, None, None
    words: list[str] = []
    taken: list[str | int] = []
    line = int(document.lc.line) + 1 if isinstance(document, CommentedMap) else 0
    listed = ""
    for i, step in enumerate(path):
        if isinstance(node, Mapping) and step in node:
            line = _line(node, step, line)
            parent, node, listed = node, node[step], str(step)
            words.append(listed)
        elif isinstance(step, int) and _is_list(node) and step < len(node):
            line = _line(node, step, line)
            parent, node = node, node[step]
            name = _ONE_OF.get(listed, f"{listed}, entry")
            stated = node.get("id") if isinstance(node, Mapping) else None
            # an epoch has no id, two of one list may have the same one: then its number tells
            ident = str(stated)[:63] if isinstance(stated, str | int) else ident
            number = step + 1 if not isinstance(stated, str | int) else str(stated)[:63]
            words[-1:] = [f"{name} {number}"]
        elif missing and i == len(path) - 1 and isinstance(step, str):
            words.append(step)
        else:
            continue
        taken.append(step)
    return Place(
        words=", ".join(words), line=line, id=ident, path=tuple(taken), node=node, parent=parent
    )


def _is_list(node: Any) -> bool:
    return isinstance(node, Sequence) and not isinstance(node, str)


def _line(node: Any, step: str | int, otherwise: int) -> int:
    if isinstance(node, CommentedMap):
        return int(node.lc.key(step)[0]) + 1
    if isinstance(node, CommentedSeq):
        return int(node.lc.item(step)[0]) + 1
    return otherwise
