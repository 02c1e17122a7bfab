"""What a facility file states otherwise than the one before: each value, with its place in words.

Entries of lists are told from one another by their ids, as people do, not by where they stand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from services.core.facility.model import FacilityFile
from services.core.facility.places import entry_name
from services.core.facility.written import flow, stated

#: Keys that tell entries of one list apart where an id alone does not.
_DATED: Final = ("valid_from", "from")


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One value that is stated otherwise."""

    #: such as ``device meter-grid, channel import, max_gap``
    place: str
    #: as a file has it in one line; None: it was not stated
    before: str | None
    #: None: it is no longer stated
    after: str | None


def differences(before: Mapping[str, Any] | None, after: FacilityFile) -> list[Difference]:
    """Compare what the registry kept of a file with another one; ``before`` None: it is new.

    Values that are what they are without being stated count as not stated.
    """
    return list(_of_maps((), {} if before is None else _stated(before), stated(after)))


def _stated(document: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return stated(FacilityFile.model_validate(document))
    except ValidationError:
        # it was kept when the language was another one
        return document


def _compare(place: tuple[str, ...], before: Any, after: Any) -> Iterator[Difference]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _of_maps(place, before, after)
    elif _is_list_of_parts(before) and _is_list_of_parts(after):
        yield from _of_lists(place, before or (), after or ())
    else:
        yield Difference(place=", ".join(place), before=_shown(before), after=_shown(after))


def _of_maps(
    place: tuple[str, ...], before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Difference]:
    for key in dict.fromkeys((*before, *after)):
        yield from _compare((*place, key), before.get(key), after.get(key))


def _of_lists(
    place: tuple[str, ...], before: Sequence[Any], after: Sequence[Any]
) -> Iterator[Difference]:
    old, new = _named(place[-1], before), _named(place[-1], after)
    for name in dict.fromkeys((*old, *new)):
        yield from _compare((*place[:-1], name), old.get(name), new.get(name))


def _named(key: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return entries by what people call them; their number tells those apart that share it."""
    named: dict[str, Mapping[str, Any]] = {}
    for number, entry in enumerate(entries, 1):
        dates = [str(entry[date]) for date in _DATED if date in entry]
        name = " ".join((entry_name(key, entry.get("id", number if not dates else "")), *dates))
        named[name if name not in named else f"{name} ({number})"] = entry
    return named


def _is_list_of_parts(value: Any) -> bool:
    """Whether it is a list of groups of keys, or no list is stated."""
    return value is None or (
        isinstance(value, list) and all(isinstance(entry, Mapping) for entry in value)
    )


def _shown(value: Any) -> str | None:
    return None if value is None else flow(value)
