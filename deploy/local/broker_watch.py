"""Starts the local broker again when it lives, acknowledges nothing, and its disk has room.

NATS gives its store up for good when it cannot write to it. It holds on disk what it has
acknowledged, so a start brings everything back; while the disk is full it would change nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from deploy.local.places import Places, find_places
from deploy.local.problem import StackError
from deploy.local.supervision import Supervisor

_LOOK_EVERY_S: Final = 5.0
_PATIENCE_S: Final = 10.0

#: In a row: a broker that is busy, or was started just now, is left alone.
_FAILURES: Final = 3

#: Less than this is gone again before a broker has started.
_ROOM_BYTES: Final = 32 << 20

#: No device's, and heard by nobody else.
_TOPIC: Final = "tonne-watch"


def acknowledges(port: int) -> bool:
    """Whether a message of quality 1 is acknowledged, which NATS does when its store has it.

    The message is one that somebody subscribes to, as devices' are: any other NATS acknowledges
    without storing it.
    """
    acknowledged = threading.Event()

    def subscribe(*_: Any) -> None:
        client.subscribe(_TOPIC, qos=1)

    def publish(*_: Any) -> None:
        client.publish(_TOPIC, b"", qos=1)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"{_TOPIC}-{os.getpid()}")
    client.connect_timeout = _PATIENCE_S
    client.on_connect = subscribe
    client.on_subscribe = publish
    client.on_publish = lambda *_: acknowledged.set()
    try:
        client.connect("127.0.0.1", port)
        client.loop_start()
        return acknowledged.wait(_PATIENCE_S)
    except (OSError, ValueError):
        return False
    finally:
        with contextlib.suppress(OSError):
            client.disconnect()
        client.loop_stop()


def has_room(places: Places) -> bool:
    """Whether the broker's disk takes more."""
    return shutil.disk_usage(places.nats_dir).free >= _ROOM_BYTES


def watch(places: Places, supervisor: Supervisor) -> None:
    """Look at the broker until the process is ended."""
    failures = 0
    while True:
        time.sleep(_LOOK_EVERY_S)
        failures = 0 if acknowledges(places.settings.mqtt_port) else failures + 1
        if failures >= _FAILURES and has_room(places):
            sys.stdout.write("the broker acknowledges nothing and has room; starting it again\n")
            sys.stdout.flush()
            # it is restarted by supervisord if it does not run at all
            with contextlib.suppress(StackError):
                supervisor.end("nats")
            failures = 0


def main() -> None:
    """Watch the broker of the local stack whose directory ``TONNE_LOCAL_DIR`` names."""
    places = find_places()
    watch(places, Supervisor(places))


if __name__ == "__main__":
    main()
