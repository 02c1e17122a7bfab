"""Turn device readings into CO2 totals: the services and their administration."""

from __future__ import annotations

import sys
from typing import Final

import typer

from services.cli.on_demand import Part, on_demand
from services.core.runtime.output import ends_with_its_reader
from services.core.store.database import hanging

PARTS: Final = {
    "migrate": Part(
        "services.cli.migrate",
        "migrate",
        "Migrate the database to the newest schema, and bring in the factors of this release.",
    ),
    "apply": Part(
        "services.cli.apply",
        "apply_files",
        "Apply files of facilities and organisations: all of them, or none if any has an error.",
    ),
    "export": Part(
        "services.cli.export",
        "export",
        "Print a facility file as it was applied; applying it again changes nothing.",
    ),
    "schema": Part(
        "services.cli.schema",
        "print_schema",
        "Print the JSON Schema of facility files, for editors that complete and validate them.",
    ),
    "map": Part(
        "services.cli.mapping", "app", "Show what the mapping of a device makes of a message."
    ),
    "import": Part(
        "services.cli.import_readings",
        "import_readings",
        "Import readings from files; the same file again takes nothing twice.",
    ),
    "backfill": Part(
        "services.cli.backfill",
        "backfill",
        "Take the history of a device that sends live already out of another database.",
    ),
    "ingest": Part(
        "services.cli.processes",
        "ingest",
        "Run ingest: store readings from the broker in the database.",
    ),
    "aggregate": Part(
        "services.cli.processes", "aggregate", "Run the aggregator: compute totals from readings."
    ),
    "notify": Part(
        "services.cli.processes",
        "notify",
        "Run the notifier: send alerts to the recipients in facility files.",
    ),
    "api": Part("services.cli.processes", "api", "Run the HTTP API and the dashboard."),
    "alive": Part(
        "services.cli.alive",
        "alive",
        "Say whether ingest, the aggregator or the notifier in this container makes progress.",
    ),
    "verify": Part(
        "services.cli.verify",
        "verify",
        "Recompute hours and check that the ledger adds up; exit 1 and list what does not.",
    ),
    "recompute": Part(
        "services.cli.recompute",
        "recompute",
        "Recompute hours from their readings; the aggregator restates those that differ.",
    ),
    "backup": Part(
        "services.cli.backup",
        "app",
        "Back up the database, the broker and files, and follow the database's log.",
    ),
    "restore": Part(
        "services.cli.restore",
        "restore",
        "Restore a backup onto an empty machine: its database, its broker, its files.",
    ),
    "archive": Part(
        "services.cli.archive",
        "app",
        "Write packed readings as Parquet by facility and month to a folder or S3.",
    ),
    "remove": Part(
        "services.cli.remove",
        "remove",
        "Retire a facility: its history stays readable, and applying its file brings it back.",
    ),
    "cells": Part(
        "services.cli.cells",
        "app",
        "List and add cells, and move facilities between them.",
    ),
    "organisations": Part(
        "services.cli.organisations", "app", "List, show and remove organisations."
    ),
    "removed": Part("services.cli.remove", "removed", "List retired and purged facilities."),
    "alerts": Part("services.cli.alerts", "app", "Check whether alerts reach their recipients."),
    "keys": Part("services.cli.keys", "app", "Manage API keys."),
    "users": Part("services.cli.users", "app", "Manage accounts of people."),
    "topics": Part(
        "services.cli.grants", "topics", "Grant facilities the use of topics beyond their own."
    ),
    "secrets": Part(
        "services.cli.grants", "secrets", "Grant facilities the use of secrets to sign messages."
    ),
    "factors": Part("services.cli.factors", "app", "List and import emission factors."),
    "activities": Part(
        "services.cli.activities", "app", "Import, list and withdraw amounts of bills and the like."
    ),
    "report": Part("services.cli.report", "app", "Write reports, for people and for authorities."),
    "devices": Part(
        "services.cli.devices",
        "app",
        "Discover devices, print examples, poll one, list unregistered ones, and manage broker"
        " accounts.",
    ),
    "quarantine": Part(
        "services.cli.quarantine", "app", "List, replay and discard refused messages."
    ),
    "readings": Part("services.cli.readings", "app", "List, correct and discard stored readings."),
}

app = typer.Typer(
    cls=on_demand(PARTS),
    no_args_is_help=True,
    add_completion=False,
    help=__doc__,
    pretty_exceptions_enable=False,
)


@app.callback(help=__doc__)
def _tonne() -> None:
    """Do nothing: what is done is in the commands."""


def main() -> None:
    """Run the command line."""
    hanging.look_after()
    with ends_with_its_reader():
        sys.exit(app())
