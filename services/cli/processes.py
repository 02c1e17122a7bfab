"""The four services, one process each."""

from __future__ import annotations

from collections.abc import Callable

import typer

from services.cli import process
from services.cli.errors import clear_errors
from services.cli.on_demand import loading
from services.core.runtime import tracing
from services.core.runtime.settings import Settings


def _serve(name: str, run: Callable[[Settings], int]) -> None:
    with clear_errors():
        settings = process.settings(name)
        tracing.configure(process=name, endpoint=settings.otel_endpoint)
        raise typer.Exit(run(settings))


def ingest() -> None:
    """Run ingest: store readings from the broker in the database."""
    with loading():
        from services.ingest.app import run  # noqa: PLC0415 - one service a process: load only its own

    _serve("ingest", run)


def aggregate() -> None:
    """Run the aggregator: compute totals from readings."""
    with loading():
        from services.aggregator.app import run  # noqa: PLC0415 - as above

    _serve("aggregator", run)


def notify() -> None:
    """Run the notifier: send alerts to the recipients in facility files."""
    with loading():
        from services.notify.app import run  # noqa: PLC0415 - as above

    _serve("notify", run)


def api() -> None:
    """Run the HTTP API and the dashboard."""
    with loading():
        from services.api.app import run  # noqa: PLC0415 - as above

    _serve("api", run)
