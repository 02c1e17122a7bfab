r"""Regular expressions of matchers, which take linear time whatever they are.

Prometheus' own (RE2) never go back, and neither do these: a query of somebody who may only read
must not keep the API busy for hours, as ``(a|a)*b`` would with Python's engine. What one character
may be (``[a-z]``, ``\d``) is left to Python. All patterns of a query have one allowance of steps:
linear is long, too, where hundreds of patterns meet thousands of values.

A pattern becomes the states of Thompson's automaton, several of which a value is in at a time (K.
Thompson, Regular expression search algorithm, CACM 11:6, 1968).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from services.api.prometheus.refusals import BadQueryError

_TOKEN: Final = re.compile(
    r"(?P<open>\((?:\?:|\?P?<\w+>|(?!\?)))|(?P<close>\))|(?P<either>\|)"
    r"|(?P<times>[*+?]|\{\d+(?:,\d*)?\})\??|(?P<edge>[\^$])"
    r"|(?P<one>\[\^?\]?(?:\\.|[^\]\\\[])*\]|\\[^a-zA-Z0-9]|\\[dDsSwWnrtfv]|[^\\()|*+?\[\]^${}])",
    re.DOTALL,
)
#: A pattern has no more of them, once repetitions are written out.
_MAX_STATES: Final = 2_000
#: Of one query: some seconds of a processor.
_STEPS: Final = 5_000_000
#: What a part costs that is written out, beside a state that a value is in.
_PART_STEPS: Final = 150
#: States that a pattern remembers as what follows others.
_MAX_REMEMBERED: Final = 20_000
#: The state in which a value may end.
_END: Final = 0


@dataclass(slots=True)
class _State:
    #: what one character may be; None: it goes on without one
    takes: Callable[[str], object] | None = None
    #: ``^``: passed only before the first character; ``$``: only after the last
    edge: str = ""
    then: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Part:
    """A token, or the alternatives of a group, and how often it may stand; None: any number."""

    atom: tuple[str, str] | list[list[_Part]]
    least: int = 1
    largest: int | None = 1


class Allowance:
    """The steps that all patterns of a query may take together."""

    def __init__(self, steps: int = _STEPS) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Take note of steps.

        :raises BadQueryError: there were too many.
        """
        self._left -= steps
        if self._left < 0:
            raise BadQueryError(
                "the regular expressions of the query take too many steps; write fewer or shorter"
                " ones"
            )


class Pattern:
    """A regular expression that a whole value must match."""

    def __init__(self, text: str, allowance: Allowance | None = None) -> None:
        """Compile a pattern whose grammar was checked; ``allowance``: None: one of its own.

        :raises ValueError: it uses what is not understood, or is too large.
        :raises BadQueryError: it takes more steps than are left.
        """
        self._allowance = allowance or Allowance()
        states = _States(self._allowance)
        first = states.alternatives(_Parts(text).alternatives(), _END)
        self._states = states.all
        self._outcomes: dict[str, bool] = {}
        #: what follows a set of states by a character; the last of a value is apart
        self._later: dict[tuple[frozenset[int], str, bool], frozenset[int]] = {}
        self._remembered = 0
        #: before the first character of a value, and in one that has none
        self._begun = self._reached([first], is_first=True, is_last=False)
        self._empty = self._reached([first], is_first=True, is_last=True)

    def matches(self, value: str) -> bool:
        """Whether the whole value is one that the pattern describes.

        :raises BadQueryError: to tell takes more steps than are left.
        """
        outcome = self._outcomes.get(value)
        if outcome is None:
            outcome = self._outcomes[value] = self._ends(value)
        return outcome

    def _ends(self, value: str) -> bool:
        self._allowance.spend(len(value) + 1)
        reached = self._empty if not value else self._begun
        for length, character in enumerate(value, 1):
            reached = self._after(reached, character, is_last=length == len(value))
        return _END in reached

    def _after(self, reached: frozenset[int], character: str, *, is_last: bool) -> frozenset[int]:
        key = reached, character, is_last
        known = self._later.get(key)
        if known is not None:
            return known
        self._allowance.spend(len(reached))
        after = [
            later
            for index in reached
            if (takes := self._states[index].takes) is not None and takes(character)
            for later in self._states[index].then
        ]
        later = self._reached(after, is_first=False, is_last=is_last)
        self._remembered += len(later)
        if self._remembered <= _MAX_REMEMBERED:
            self._later[key] = later
        return later

    def _reached(self, states: Iterable[int], *, is_first: bool, is_last: bool) -> frozenset[int]:
        """Return states, with those that come after them without a character."""
        reached: set[int] = set()
        waiting = list(states)
        while waiting:
            index = waiting.pop()
            state = self._states[index]
            is_shut = (state.edge == "^" and not is_first) or (state.edge == "$" and not is_last)
            if index not in reached and not is_shut:
                reached.add(index)
                if state.takes is None:
                    waiting += state.then
        self._allowance.spend(len(reached))
        return frozenset(reached)


class _Parts:
    """Reads a pattern from its beginning."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text):
            token = _TOKEN.match(text, place)
            if token is None or token.lastgroup is None:
                raise ValueError(
                    f"`{text[place : place + 10]}` in the regular expression `{text[:60]}` is not"
                    " understood; write letters, ., [a-z], \\d, (a|b), *, +, ?, {2,3}, ^ and $"
                )
            self._tokens.append((token.lastgroup, token[token.lastgroup]))
            place = token.end()
        self._tokens.reverse()

    def alternatives(self) -> list[list[_Part]]:
        """Read up to the end of a group, or of the pattern."""
        alternatives: list[list[_Part]] = [[]]
        while self._tokens:
            kind, text = self._tokens.pop()
            if kind == "close":
                break
            if kind == "either":
                alternatives.append([])
            elif kind == "open":
                alternatives[-1].append(_Part(self.alternatives()))
            elif kind == "times":
                repeated = alternatives[-1].pop()
                alternatives[-1].append(_Part([[repeated]], *_bounds(text)))
            else:
                alternatives[-1].append(_Part((kind, text)))
        return alternatives


class _States:
    """Builds states from the end of a pattern on, for each has to know those that come after it."""

    def __init__(self, allowance: Allowance) -> None:
        self.all = [_State()]
        self._allowance = allowance

    def alternatives(self, alternatives: list[list[_Part]], then: int) -> int:
        """Add alternatives that go on at the state ``then``; return their first state."""
        branches = [self._sequence(parts, then) for parts in alternatives]
        return branches[0] if len(branches) == 1 else self._new(_State(then=branches))

    def _sequence(self, parts: list[_Part], then: int) -> int:
        for part in reversed(parts):
            if part.largest is None:
                loop = self._new(_State())
                self.all[loop].then += [self._once(part, loop), then]
                then = loop
            else:
                skipped = then
                for _ in range(part.largest - part.least):
                    then = self._new(_State(then=[self._once(part, then), skipped]))
            for _ in range(part.least):
                then = self._once(part, then)
        return then

    def _once(self, part: _Part, then: int) -> int:
        # what takes nothing, as (), makes no state however often it is repeated
        self._allowance.spend(_PART_STEPS)
        if isinstance(part.atom, list):
            return self.alternatives(part.atom, then)
        kind, text = part.atom
        if kind == "edge":
            return self._new(_State(edge=text, then=[then]))
        return self._new(_State(takes=re.compile(text).fullmatch, then=[then]))

    def _new(self, state: _State) -> int:
        if len(self.all) >= _MAX_STATES:
            raise ValueError("the regular expression is too large; write fewer repetitions")
        self.all.append(state)
        return len(self.all) - 1


def _bounds(text: str) -> tuple[int, int | None]:
    if text in {"*", "+", "?"}:
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[text]
    least, comma, largest = text[1:-1].partition(",")
    if not comma:
        return int(least), int(least)
    return int(least), int(largest) if largest else None
