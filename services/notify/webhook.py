"""Webhooks: the alert as JSON, signed, to one address."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from services.core.facility import secret_names
from services.core.runtime import secret_files
from services.core.runtime.clock import Clock
from services.core.runtime.secret_files import SecretFileError
from services.notify import signature
from services.notify.channel import DeliveryError
from services.notify.message import Message
from services.notify.post import Poster


class WebhookChannel:
    """Posts each message on its own; the receiver accepts it by answering 2xx."""

    max_at_once = 16
    repeat_every_s = None

    def __init__(
        self,
        url: str,
        *,
        poster: Poster,
        clock: Clock,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._url = url
        self._poster = poster
        self._clock = clock
        self._environment = environment

    async def send(self, message: Message) -> None:
        """See :class:`.channel.Channel`."""
        body = message.payload()
        timestamp_s = int(self._clock.now().timestamp())
        headers = {"webhook-id": message.key, "webhook-timestamp": str(timestamp_s)}
        key = self._key(message)
        if key is not None:
            headers["webhook-signature"] = signature.sign(
                key, message_id=message.key, timestamp_s=timestamp_s, body=body
            )
        await self._poster.post(self._url, body, headers)

    def _key(self, message: Message) -> bytes | None:
        variable = message.secret_env
        if variable is None:
            return None
        # the registry may hold an entry from before names were checked
        if not secret_names.is_allowed(variable):
            raise DeliveryError(secret_names.refusal(variable), only_this=True)
        if not message.may_sign:
            raise DeliveryError(
                f"{variable} is not granted to facility {message.facility}; an admin does that with"
                f" `tonne secrets grant {message.facility} {variable}`",
                only_this=True,
            )
        try:
            # as it is in the file now: a secret is replaced without a restart
            secret = secret_files.value_of(variable, self._environment)
        except SecretFileError as error:
            raise DeliveryError(str(error)) from None
        if secret is None:
            raise DeliveryError(
                f"{variable} is not set where the notifier runs; a message that is to be"
                " signed is not sent without a signature"
            )
        try:
            return signature.key_of(secret)
        except signature.SecretError as error:
            raise DeliveryError(f"{variable} holds no secret: {error}") from None

    async def repeat(self, messages: Sequence[Message]) -> None:
        """Do nothing: a webhook keeps what it got."""

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()
