"""What NATS holds for one MQTT session: consumers that have to be there and deliver to it.

NATS remembers by session which consumers it made and where they deliver to, and never looks whether
they still do: a session whose consumer is gone or delivers elsewhere hears nothing until its client
id changes (nats-server, issue 6989). Whoever sets the consumer right finds the session hearing
again, with what the stream has for it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from services.ingest.sources.damage import Damage
from services.ingest.sources.jetstream.durable import STREAM
from services.ingest.sources.jetstream.guard import replacing
from services.ingest.sources.jetstream.subjects import MESSAGES

_SESSIONS: Final = "$MQTT_sess"
_SUBJECT: Final = "$MQTT.sess."
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_HASHED: Final = 8


class SessionConsumers:
    """Looks at the consumers of one session, and sets them right."""

    def __init__(self, client_id: str, damage: Damage) -> None:
        self._subject = _SUBJECT + _hash(client_id)
        self._damage = damage
        #: by consumer: everything up to this message of the stream was acknowledged
        self._floors: dict[str, int] = {}
        #: not there when they were looked at last
        self._missing: set[str] = set()

    async def mend(self, stream: JetStreamContext) -> None:
        """Look at each; call every few seconds.

        What is missing is made when it is missing a second time: a session that leaves a filter
        deletes its consumer first, and forgets it then.

        :raises nats.errors.Error: NATS does not answer, or refuses.
        """
        wanted = await self._wanted(stream)
        newest = (await stream.stream_info(STREAM)).state.last_seq
        missing, self._missing = self._missing, set()
        for name, config in wanted.items():
            try:
                info = await stream.consumer_info(STREAM, name)
            except NotFoundError:
                if name in missing:
                    await self._make(stream, name, config, newest)
                    self._damage.note("consumer-deleted", name)
                else:
                    self._missing.add(name)
                continue
            if info.config.deliver_subject != config.deliver_subject:
                # NATS changes it only where nobody listens to the wrong one
                subjects = [config.filter_subject or f"{MESSAGES}>"]
                async with replacing(stream, STREAM, name, subjects):
                    await self._make(stream, name, config, newest)
                self._damage.note("consumer-changed", name)
            elif info.ack_floor is not None:
                # only of the right one: a wrong one may have begun anywhere
                self._floors[name] = info.ack_floor.stream_seq
        self._floors = {name: self._floors.get(name, 0) for name in wanted}

    async def _wanted(self, stream: JetStreamContext) -> dict[str, ConsumerConfig]:
        try:
            record = await stream.get_last_msg(_SESSIONS, self._subject)
        except NotFoundError:
            # no such session yet
            return {}
        consumers: dict[str, dict[str, Any]] = json.loads(record.data or b"{}").get("cons") or {}
        configs = [ConsumerConfig.from_response(about) for about in consumers.values() if about]
        return {config.durable_name: config for config in configs if config.durable_name}

    async def _make(
        self, stream: JetStreamContext, name: str, config: ConsumerConfig, newest: int
    ) -> None:
        floor = self._floors.get(name, 0)
        if 0 < floor <= newest:
            config.deliver_policy = DeliverPolicy.BY_START_SEQUENCE
            config.opt_start_seq = floor + 1
        else:
            config.deliver_policy = DeliverPolicy.ALL
        await stream.add_consumer(STREAM, config=config)
        if name not in await self._wanted(stream):
            # left meanwhile: nobody would ever take what it holds
            await stream.delete_consumer(STREAM, name)


def _hash(client_id: str) -> str:
    """Return what NATS calls the session (nats-server, ``getHash``)."""
    digest = hashlib.sha256(client_id.encode()).digest()
    return "".join(_DIGITS[byte % len(_DIGITS)] for byte in digest[:_HASHED])
