"""Traces from a message to a total, by OpenTelemetry: off, and then without cost.

A step is a span: ``ingest.batch`` with ``ingest.commit`` in it, ``aggregator.tick``, ``api.event``.
From process to process the trace goes on by NOTIFY, with the COMMIT that it tells of; a step that
follows from several continues the newest and links the others. Who traces is in
:mod:`.otel_tracer`, which is loaded where ``TONNE_OTEL_ENDPOINT`` is set and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol

_NOTHING: Final = nullcontext()

#: Steps that one step follows from, of the newest.
_MAX_BEFORE: Final = 32
#: Facilities that are remembered.
_MAX_FACILITIES: Final = 10_000


class TracingError(ValueError):
    """Traces are asked for, and the packages for them are not installed."""


class Tracer(Protocol):
    """Who traces steps."""

    def step(
        self, name: str, before: Sequence[str], attributes: dict[str, str | int]
    ) -> AbstractContextManager[None]:
        """Trace a step."""
        ...

    def traceparent(self) -> str | None:
        """Return the step in hand as W3C Trace Context writes it."""
        ...


_tracer: Tracer | None = None


def configure(*, process: str, endpoint: str | None) -> None:
    """Send this process's traces to a collector by OTLP, if there is one; call once.

    :raises TracingError: ``tonne[otel]`` is not installed.
    """
    if endpoint is None:
        return
    try:
        # what it needs is optional, and takes long to load
        from services.core.runtime import otel_tracer  # noqa: PLC0415
    except ImportError:
        raise TracingError(
            "TONNE_OTEL_ENDPOINT is set, but OpenTelemetry is not installed; install tonne[otel]"
        ) from None
    begin(otel_tracer.to_collector(endpoint, process=process))


def begin(tracer: Tracer | None) -> None:
    """Let this one trace; None: nobody."""
    global _tracer  # noqa: PLW0603 - of a process there is one
    _tracer = tracer


def enabled() -> bool:
    """Whether anything is traced."""
    return _tracer is not None


def step(
    name: str, before: Sequence[str] = (), **attributes: str | int
) -> AbstractContextManager[None]:
    """Trace a step; ``before``: the traceparents of those that it follows from, oldest first."""
    if _tracer is None:
        return _NOTHING
    return _tracer.step(name, before, attributes)


def traceparent() -> str | None:
    """Return the step in hand as W3C Trace Context writes it; None: nothing is traced."""
    return None if _tracer is None else _tracer.traceparent()


class StepsBefore:
    """The steps by facility that nothing has followed yet, as notifications name them."""

    def __init__(self) -> None:
        self._by_facility: dict[str, list[str]] = {}

    def note(self, payload: str) -> None:
        """Take a notification's payload: a facility and a traceparent."""
        facility, _, step = payload.partition(" ")
        steps = self._by_facility.setdefault(facility, [])
        steps.append(step)
        del steps[:-_MAX_BEFORE]
        while len(self._by_facility) > _MAX_FACILITIES:
            del self._by_facility[next(iter(self._by_facility))]

    def take(self, facility: str) -> Sequence[str]:
        """Return what the facility's next step follows from."""
        return self._by_facility.pop(facility, ())
