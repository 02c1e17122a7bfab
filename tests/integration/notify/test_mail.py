"""Alerts by e-mail, handed in to a real server."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from pydantic import SecretStr

from tests.integration.notify.harness import Make, notifier, until
from tests.services import free_port

pytestmark = pytest.mark.database


class Post:
    """What the server does with mail."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        #: said to the next recipients, one each; then they are taken
        self.answers: list[str] = []

    async def handle_RCPT(  # noqa: N802 - as the server calls it
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def server(post: Post) -> Iterator[Controller]:
    controller = Controller(post, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller
    controller.stop()


async def test_an_alert_and_its_end_are_mails_of_one_thread(
    make: Make, post: Post, server: Controller
) -> None:
    post.answers = ["451 not now"]
    works = make("[{mqtt: false}, {email: desk@example.org}]")
    works.tell("firing", "resolved", message="Throttle the boiler.", value=30.5)
    url = SecretStr(f"smtp://127.0.0.1:{server.port}")
    async with notifier(works.url, smtp_url=url, smtp_from="tonne@example.org"):
        await until(lambda: works.waiting() == 0, "both are handed in")
    assert works.outbox()[0][1] == 2, "what was refused for now was tried again"
    fired, resolved = post.mails
    assert (fired["From"], fired["To"]) == ("tonne <tonne@example.org>", "desk@example.org")
    assert fired["Subject"] == "[tonne] works: high firing (critical)"
    assert resolved["Subject"] == "[tonne] works: high resolved (critical)"
    assert fired["References"] == resolved["References"]
    assert "Throttle the boiler." in fired.get_content()


async def test_a_mail_is_in_the_language_that_the_facility_file_states(
    make: Make, post: Post, server: Controller
) -> None:
    works = make("[{mqtt: false}, {email: desk@example.org, language: de}]")
    works.tell("firing", message="Throttle the boiler.", value=30.5)
    url = SecretStr(f"smtp://127.0.0.1:{server.port}")
    async with notifier(works.url, smtp_url=url, smtp_from="tonne@example.org"):
        await until(lambda: works.waiting() == 0, "it is handed in")
    (mail,) = post.mails
    assert mail["Subject"] == "[tonne] works: high ausgelöst (kritisch)"
    assert "Throttle the boiler." in mail.get_content()


async def test_without_a_server_mail_waits_and_says_so(make: Make) -> None:
    works = make("[{mqtt: false}, {email: desk@example.org}]")
    works.tell("firing")
    async with notifier(works.url):
        await until(lambda: works.outbox()[0][1] == 1, "it was tried")
    assert "TONNE_SMTP_URL is not set" in works.outbox()[0][2]
    assert works.waiting() == 1
