"""What counts of a facility's sources now, and their sums: the figures of every live answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.core.store.answers.live import SourceLive
from services.core.store.answers.live_windows import SpanTotal
from services.core.store.answers.source_uncertainty import SourceAccount
from services.core.store.schema.figures import METHODS_COVER

Accounts = Mapping[str, SourceAccount]


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowTotal:
    """What some sources emitted in one window, as far as it is known."""

    #: how much of the window the sources were there, each for itself
    expected_ms: int
    #: the sources that something is known of
    parts: Sequence[tuple[SourceLive, SpanTotal]] = ()
    #: their sum; None: nothing is known
    known: SpanTotal | None = None
    #: why nobody can tell what was known
    lost: str | None = None

    @property
    def coverage(self) -> float:
        """The share of the sources' time that is known, 0 to 1, to six decimals."""
        covered_ms = 0 if self.known is None else self.known.covered_ms
        return round(covered_ms / self.expected_ms, 6) if self.expected_ms else 0.0


def counts(source: SourceLive, accounts: Accounts) -> bool:
    """Return whether a source enters the facility's sums: it is no other's check, and emits."""
    account = accounts.get(source.slug)
    return (account is None or account.counts) and not source.replaced


def shown_sources(sources: Iterable[SourceLive]) -> list[SourceLive]:
    """List the sources that the file names, and past ones of which some window still tells."""
    return [
        source
        for source in sources
        if source.active or any(total.is_known for total in source.totals.values())
    ]


def sum_of_rates(sources: Iterable[SourceLive]) -> tuple[float, ...] | None:
    """Add up the rates that are known, micrograms per hour in the order of ``MASSES``.

    :returns: None if none is.
    """
    known = [source.rates_ug_h for source in sources if source.rates_ug_h is not None]
    return tuple(map(sum, zip(*known, strict=True))) if known else None


def total_of_several(sources: Sequence[SourceLive], window: str) -> WindowTotal:
    """Add up a window of several sources, column by column."""
    stated = [(source, source.totals[window]) for source in sources if window in source.totals]
    window_ms = max((part.window_ms for _, part in stated), default=0)
    # of a source without totals yet the whole window should be known
    expected_ms = sum(part.expected_ms for _, part in stated)
    expected_ms += (window_ms or 1) * (len(sources) - len(stated))
    lost = next((part.unknown for _, part in stated if part.unknown), None)
    known = [(source, part) for source, part in stated if part.is_known]
    if lost is not None or not known:
        return WindowTotal(expected_ms=expected_ms, lost=lost)
    masses, amounts, covered, methods, windows_ms, expected, _ = zip(
        *(part for _, part in known), strict=True
    )
    whole = SpanTotal(
        masses_ug=tuple(map(sum, zip(*masses, strict=True))),
        # in units of their own: each is told by its source
        amounts_n=amounts[0],
        covered_ms=sum(map(min, covered, expected)),
        methods_ms=tuple(
            sum(map(min, times, expected)) if covers else sum(times)
            for times, covers in zip(zip(*methods, strict=True), METHODS_COVER, strict=True)
        ),
        window_ms=max(windows_ms),
        expected_ms=sum(expected),
    )
    return WindowTotal(expected_ms=expected_ms, parts=known, known=whole)


def total_of_one(source: SourceLive, window: str) -> WindowTotal:
    """Return a window of one source: no more of it is known than the source was there."""
    part = source.totals.get(window)
    if part is None:
        return WindowTotal(expected_ms=1)
    if not part.is_known:
        return WindowTotal(expected_ms=part.expected_ms, lost=part.unknown)
    there_ms = part.expected_ms
    if max(part.covered_ms, *part.methods_ms) > there_ms:
        part = part._replace(
            covered_ms=min(part.covered_ms, there_ms),
            methods_ms=tuple(
                min(ms, there_ms) if covers else ms
                for ms, covers in zip(part.methods_ms, METHODS_COVER, strict=True)
            ),
        )
    return WindowTotal(expected_ms=there_ms, parts=[(source, part)], known=part)
