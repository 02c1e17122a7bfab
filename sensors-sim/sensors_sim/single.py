"""One message, published as it is written: for trying tonne out by hand."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sensors_sim.arguments import BrokerOption, broker_of, fail, finish
from sensors_sim.broker import Broker
from sensors_sim.publisher import Message, Publisher

#: The longest topic that MQTT can carry, in bytes.
_LONGEST_TOPIC = 65_535


def publish(
    topic: Annotated[str, typer.Argument(help="For example emissions/linz/cems-1/readings.")],
    message: Annotated[str, typer.Argument(help="The payload as it is; - reads standard input.")],
    retain: Annotated[
        bool, typer.Option("--retain", help="The broker keeps it for later subscribers.")
    ] = False,
    broker: BrokerOption = None,
) -> None:
    """Publish one message of your own at QoS 1 and wait until the broker has acknowledged it."""
    address = broker_of(broker)
    if not topic or "+" in topic or "#" in topic or len(topic.encode()) > _LONGEST_TOPIC:
        raise fail(f"a topic to publish to has no wildcards and is not empty, not {topic!r}")
    payload = sys.stdin.buffer.read() if message == "-" else message.encode()
    finish(_publish(address, Message(topic=topic, payload=payload, retain=retain)))
    print(f"{len(payload)} bytes acknowledged by {address}")


async def _publish(broker: Broker, message: Message) -> None:
    publisher = Publisher(broker=broker, client_id="", window=1, patience_s=15.0)
    async with publisher:
        publisher.publish(message)
        await publisher.drain()
