"""What somebody may have meant by a word that is not known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

#: Words that are no longer than this are worth comparing.
_LONGEST = 130


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is spelled most like ``word``, None if none is."""
    by_folded = {name.casefold(): name for name in sorted(known, reverse=True)}
    if len(word) > _LONGEST:
        return None
    folded = word.casefold()
    beginnings = [name for name in by_folded if folded.startswith(f"{name}-")]
    if beginnings:
        # a name with a year or a country too many
        return by_folded[max(beginnings, key=len)]
    close = get_close_matches(folded, by_folded, n=1, cutoff=0.7)
    if not close:
        close = [name for name in by_folded if folded in re.split("[-_.]", name)]
    return by_folded[close[0]] if len(close) == 1 else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that names the nearest known word; empty if there is none."""
    name = nearest(word, known)
    return "" if name is None else f"; did you mean {name}?"
