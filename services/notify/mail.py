"""E-mail over SMTP: one message to one address, a thread for each alert."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib

from services.notify import wording
from services.notify.channel import DeliveryError
from services.notify.message import Message
from services.notify.smtp_url import SmtpUrl

_TOTAL_S = 30.0
_STEP_S = 10.0


class MailChannel:
    """Submits each message on its own connection; a second delivery has the same Message-ID."""

    max_at_once = 2
    repeat_every_s = None

    def __init__(
        self, recipient: str, *, server: SmtpUrl | None, sender: str, tls: ssl.SSLContext
    ) -> None:
        self._recipient = recipient
        self._server = server
        self._sender = sender
        self._tls = tls

    async def send(self, message: Message) -> None:
        """See :class:`.channel.Channel`."""
        if self._server is None:
            raise DeliveryError("no mail can be sent: TONNE_SMTP_URL is not set for the notifier")
        try:
            async with asyncio.timeout(_TOTAL_S):
                await self._submit(self._server, mail_of(message, self._recipient, self._sender))
        except TimeoutError:
            raise DeliveryError(f"{self._server.address} did not accept it in time") from None
        except aiosmtplib.SMTPRecipientsRefused as error:
            # 4xx: not now; the mailbox is full, or the sender is not known yet
            refused = error.recipients[0]
            raise DeliveryError(
                f"{self._server.address} refused the recipient: {refused.code} {refused.message}"
            ) from None
        except aiosmtplib.SMTPResponseException as error:
            raise DeliveryError(
                f"{self._server.address} answered {error.code} {error.message}",
                only_this=isinstance(error, aiosmtplib.SMTPDataError) and error.code >= 500,
            ) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise DeliveryError(f"{self._server.address}: {error}") from None

    async def _submit(self, server: SmtpUrl, mail: EmailMessage) -> None:
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            timeout=_STEP_S,
            use_tls=server.tls,
            start_tls=False if server.tls else True if server.must_encrypt else None,
            tls_context=self._tls,
            username=server.username,
            password=server.password,
        )
        async with client:
            await client.send_message(mail)

    async def repeat(self, messages: Sequence[Message]) -> None:
        """Do nothing: mailboxes keep mail."""

    async def close(self) -> None:
        """Do nothing: no connection stays open between two messages."""


def mail_of(message: Message, recipient: str, sender: str) -> EmailMessage:
    """Return a message as mail, equal for every delivery."""
    mail = EmailMessage()
    host = sender.rpartition("@")[2]
    mail["From"] = Address("tonne", addr_spec=sender)
    mail["To"] = Address(addr_spec=recipient)
    mail["Subject"] = f"[tonne] {wording.headline(message)}"
    mail["Date"] = format_datetime(message.created_at)
    mail["Message-ID"] = _id(message.key, host)
    if message.threshold is not None:
        thread = _id(f"{message.facility}/{message.threshold}", host)
        mail["In-Reply-To"] = thread
        mail["References"] = thread
    # no robot answers, RFC 3834
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Tonne-Key"] = message.key
    mail.set_content(wording.text(message))
    mail["Content-Language"] = message.language
    return mail


def _id(key: str, host: str) -> str:
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{host}>"
