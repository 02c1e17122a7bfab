"""What one writes first: paho, and one INSERT for each message. Arguments: MQTT port, database."""

from __future__ import annotations

import json
import sys

import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion


def main() -> None:
    """Store until killed."""
    connection = psycopg.connect(sys.argv[2], autocommit=True)

    def store(_client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        reading = json.loads(message.payload)
        energy, power = reading["values"].values()
        connection.execute(
            "INSERT INTO peer (topic, ts, energy, power)"
            " VALUES (%s, to_timestamp(%s / 1000.0), %s, %s)",
            (message.topic, reading["ts"], energy, power),
        )

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="peer", clean_session=False)
    client.on_message = store
    client.connect("127.0.0.1", int(sys.argv[1]))
    client.subscribe("emissions/#", 1)
    client.loop_forever()


if __name__ == "__main__":
    main()
