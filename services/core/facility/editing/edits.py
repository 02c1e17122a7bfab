"""Edit the text of a facility file: comments and all else stay as somebody wrote them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from ruamel.yaml.nodes import MappingNode

from services.core.facility.editing.document import Document, EditError
from services.core.facility.editing.patch import Edit, Target, patched, target
from services.core.facility.editing.splicing import Splicing
from services.core.facility.errors import FacilityFileError
from services.core.facility.file import MAX_BYTES

#: So many edits one call may make; each reads the text again.
MAX_EDITS: Final = 100
#: So many characters they may read together: nobody waits longer for many edits than for one.
_MOST_READ: Final = 2 * MAX_BYTES


def edited(text: str, edits: Sequence[Edit], *, max_bytes: int = MAX_BYTES) -> Document:
    """Return the text with the edits, one after another, and what it states then.

    The text is read again after each: what it states is what the edit of the values gives, or the
    edit is refused.

    :raises FacilityFileError: the text is no YAML, or too much.
    :raises EditError: an edit leads nowhere, or cannot be made without changing other parts; or
        they are too many for a text of that length.
    """
    if len(edits) > 1 and len(text) * (1 + len(edits)) > _MOST_READ:
        at_once = max(1, _MOST_READ // len(text) - 1)
        raise EditError(f"{len(edits)} edits are too many for a text so long; send {at_once}")
    document = Document.read(text, max_bytes=max_bytes)
    for edit in edits:
        document = _edited(document, edit, max_bytes)
    return document


def _edited(document: Document, edit: Edit, max_bytes: int) -> Document:
    place = target(document.value, edit)
    wanted = patched(document.value, edit, place)
    text = _spliced(document, edit, place)
    try:
        after = Document.read(text, max_bytes=max_bytes)
    except FacilityFileError as error:
        raise EditError(_not_here(edit, str(error))) from None
    if _digestible(after.value) != _digestible(wanted):
        raise EditError(_not_here(edit, "it would change other parts too"))
    return after


def _not_here(edit: Edit, why: str) -> str:
    return f"{edit.path} cannot be edited as the text is written ({why}); change it in the text"


def _digestible(value: Any) -> str:
    # 1, 1.0 and true are equal in Python, and are not in a file
    return json.dumps(value, sort_keys=True)


def _spliced(document: Document, edit: Edit, place: Target) -> str:
    *above, parent = document.nodes(place.parent)
    outer = above[-1] if above else None
    splicing = Splicing(document.text, document.root)
    if edit.op == "remove":
        if isinstance(parent, MappingNode):
            return splicing.without_pair(outer, parent, str(place.step))
        return splicing.without_entry(outer, parent, int(place.step))
    if place.is_there:
        node = document.nodes((*place.parent, place.step))[-1]
        return splicing.with_value(parent, node, edit.value, key=place.step)
    if isinstance(parent, MappingNode):
        return splicing.with_pair(outer, parent, str(place.step), edit.value)
    return splicing.with_entry(outer, parent, int(place.step), edit.value)
