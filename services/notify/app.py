"""The notifier's composition root: settings -> channels to recipients -> loop -> exit code."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import Callable
from typing import Final

import httpx
import psycopg
import structlog
from prometheus_client import start_http_server

from services.core.facility.recipients import address_of, kind_of
from services.core.runtime import broker_tls, broker_url, metrics
from services.core.runtime.broker_tls import BrokerTlsError
from services.core.runtime.broker_url import BrokerUrlError
from services.core.runtime.clock import Clock
from services.core.runtime.settings import Settings
from services.core.runtime.steady_time import SteadyTime
from services.core.store.database.connect import DatabaseUrlError
from services.core.store.database.progress import ProgressReporter
from services.notify import smtp_url
from services.notify.address import Reach
from services.notify.alertmanager import AlertmanagerChannel
from services.notify.channel import Channel
from services.notify.homeassistant.announcer import Announcer
from services.notify.loop import Notifier
from services.notify.mail import MailChannel
from services.notify.mqtt import MqttChannel
from services.notify.post import Poster
from services.notify.resolve import SystemResolver
from services.notify.smtp_url import SmtpUrlError
from services.notify.webhook import WebhookChannel

_log: Final = structlog.get_logger()


def run(settings: Settings) -> int:
    """Run the notifier until SIGTERM or SIGINT; 0 after a clean stop, 1 if it cannot go on."""
    clock = SteadyTime()
    resolver = SystemResolver()
    try:
        announcer = Announcer(settings.database, clock=clock, public_url=settings.public_url)
        channel_to = ways(settings, resolver, clock, announcer)
        if settings.notify_metrics_port:
            start_http_server(
                settings.notify_metrics_port, settings.metrics_host, metrics.notify_registry
            )
        return asyncio.run(_run(settings, channel_to, clock, announcer))
    except (BrokerTlsError, BrokerUrlError, DatabaseUrlError, SmtpUrlError) as error:
        _log.error("the notifier cannot start", reason=str(error))
        return 1
    finally:
        resolver.close()


async def _run(
    settings: Settings,
    channel_to: Callable[[str], Channel],
    clock: SteadyTime,
    announcer: Announcer,
) -> int:
    notifier = Notifier(
        settings.database,
        channel_to=channel_to,
        clock=clock,
        progress=ProgressReporter("notify", clock=clock),
        mails=settings.smtp_url is not None,
        public_url=settings.public_url,
        announcer=announcer,
    )
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        # a second signal ends the process
        loop.remove_signal_handler(number)
        notifier.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    missing = False
    try:
        await notifier.run()
    except* psycopg.errors.UndefinedTable:
        missing = True
    if missing:
        _log.error("the schema is missing; run `tonne migrate`")
        return 1
    _log.info("stopped")
    return 0


def ways(
    settings: Settings,
    resolver: SystemResolver,
    clock: Clock,
    announcer: Announcer | None = None,
) -> Callable[[str], Channel]:
    """Return a function that opens the channel to a target.

    ``announcer``: publishes totals while the channel to topics is open.

    :raises BrokerTlsError, BrokerUrlError, SmtpUrlError: a setting cannot be used.
    """
    broker = broker_url.parse(settings.mqtt)
    broker_secured = broker_tls.context(
        broker,
        ca=settings.mqtt_tls_ca,
        cert=settings.mqtt_tls_cert,
        key=settings.mqtt_tls_key,
    )
    server = (
        None if settings.smtp_url is None else smtp_url.parse(settings.smtp_url.get_secret_value())
    )
    tls = _trusted()
    private = settings.webhook_private == "allow"

    def poster(reach: Reach, max_at_once: int, *, quote_answers: bool) -> Poster:
        return Poster(
            resolver=resolver,
            reach=Reach.ANY if private else reach,
            clock=clock,
            tls=tls,
            max_at_once=max_at_once,
            quote_answers=quote_answers,
        )

    def channel_to(target: str) -> Channel:
        address = address_of(target)
        match kind_of(target):
            case "webhook":
                return WebhookChannel(
                    address,
                    poster=poster(Reach.PUBLIC, WebhookChannel.max_at_once, quote_answers=True),
                    clock=clock,
                )
            case "alertmanager":
                # it is inside the site; answers of its neighbours must not be quoted
                return AlertmanagerChannel(
                    address,
                    poster=poster(
                        Reach.SITE, AlertmanagerChannel.max_at_once, quote_answers=private
                    ),
                    clock=clock,
                )
            case "email":
                return MailChannel(address, server=server, sender=settings.smtp_from, tls=tls)
            case _:
                return MqttChannel(
                    broker,
                    tls=broker_secured,
                    version=settings.mqtt_version,
                    announcer=announcer,
                )

    return channel_to


def _trusted() -> ssl.SSLContext:
    """Trust the authorities that httpx brings, and the machine's own: a site may have one."""
    tls = httpx.create_ssl_context()
    tls.load_default_certs()
    return tls
