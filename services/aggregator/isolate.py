"""Find what of a facility fails: by halves of its sources, each tried alone and taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable

#: Tries the work of some sources alone; returns why it failed, None if it did not.
Trial = Callable[[frozenset[int]], str | None]


class Isolation:
    """The search, a trial at a time, so that other facilities get their turns between."""

    def __init__(self, source_ids: Iterable[int]) -> None:
        everything = frozenset(source_ids)
        #: what fails without any source is the facility's own
        self._pending: list[frozenset[int]] = [everything, frozenset()] if everything else []
        self._pending = self._pending or [frozenset()]
        #: sources that fail, and why
        self.culprits: dict[int, str] = {}
        #: why the facility fails as a whole
        self.whole: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether everything is known."""
        return self.whole is not None or not self._pending

    def step(self, trial: Trial) -> None:
        """Try the next part; one whose trial raises is tried again."""
        part = self._pending[-1]
        reason = trial(part)
        self._pending.pop()
        if reason is None:
            return
        if not part:
            self.whole = reason
        elif len(part) == 1:
            self.culprits[min(part)] = reason
        else:
            ordered = sorted(part)
            middle = len(ordered) // 2
            self._pending += [frozenset(ordered[middle:]), frozenset(ordered[:middle])]
