"""Pathway from MQTT to PostgreSQL, a row a message. Arguments: MQTT port, database port and name.

Run by the Python of an environment of its own, which has nothing of tonne.
"""

from __future__ import annotations

import logging
import sys

import pathway as pw

# a line for each acknowledgement would be most of its work
logging.disable(logging.WARNING)


class Message(pw.Schema):
    """What is read of a payload."""

    ts: int
    energy: float
    power: float


mqtt_port, database_port, database, user = sys.argv[1:]
messages = pw.io.mqtt.read(
    f"mqtt://127.0.0.1:{mqtt_port}?client_id=peer",
    "emissions/#",
    qos=1,
    schema=Message,
    format="json",
    json_field_paths={"energy": "/values/import-energy", "power": "/values/import-power"},
)
pw.io.postgres.write(
    messages,
    {"host": "127.0.0.1", "port": database_port, "dbname": database, "user": user},
    "peer",
    init_mode="create_if_not_exists",
)
pw.run(monitoring_level=pw.MonitoringLevel.NONE)
