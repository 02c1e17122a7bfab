"""The ``tonne-sim`` command."""

from __future__ import annotations

import logging
import sys

import typer

from sensors_sim.output import outlive_reader
from sensors_sim.single import publish
from sensors_sim.station import hj212
from sensors_sim.stream_commands import load, replay
from sensors_sim.world_commands import backfill, facility_file, run

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Simulate meters and stacks that publish over MQTT and know their emissions.",
)
app.command()(run)
app.command()(backfill)
app.command()(replay)
app.command()(load)
app.command()(publish)
app.command()(hj212)
app.command("facility-file")(facility_file)


def main() -> None:
    """Run the command."""
    outlive_reader()
    logging.basicConfig(format="tonne-sim: %(message)s", level=logging.INFO, stream=sys.stderr)
    app()
