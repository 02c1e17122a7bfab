"""Alerts told to real receivers over HTTP: in order, at least once, signed, and to nobody else."""

from __future__ import annotations

import pytest

from services.notify import signature
from tests.integration.notify.harness import Make, notifier, until
from tests.receivers import Webhook

pytestmark = pytest.mark.database


def kinds(hook: Webhook, threshold: str = "high") -> list[str]:
    return [body["kind"] for body in hook.taken if body["threshold"] == threshold]


async def test_an_alert_is_told_once_in_order_and_signed(
    make: Make, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONNE_SECRET_HOOK", "whsec_c2VjcmV0")
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}', secret_env: TONNE_SECRET_HOOK}}]")
    keys = works.tell("firing", "no-data", "resolved", value=30.5)
    async with notifier(works.url):
        await until(lambda: works.waiting() == 0, "everything is told")
    assert kinds(hook) == ["firing", "no-data", "resolved"]
    assert [body["key"] for body in hook.taken] == keys
    for request in hook.requests:
        sent = request.headers
        assert sent["content-type"] == "application/json"
        assert sent["webhook-id"] == request.body["key"]
        assert sent["webhook-signature"] == signature.sign(
            b"secret",
            message_id=sent["webhook-id"],
            timestamp_s=int(sent["webhook-timestamp"]),
            body=request.raw,
        )


async def test_what_fails_is_tried_again_and_nothing_of_its_alert_overtakes_it(
    make: Make, hook: Webhook
) -> None:
    hook.answers = [500, 503]
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}'}}]")
    works.tell("firing", "resolved")
    async with notifier(works.url):
        await until(lambda: works.waiting() == 0, "everything is told")
    assert [(r.status, r.body["kind"]) for r in hook.requests] == [
        (500, "firing"), (503, "firing"), (204, "firing"), (204, "resolved"),
    ]  # fmt: skip
    first, *again = hook.requests[:3]
    assert all(r.raw == first.raw and r.headers["webhook-id"] == first.headers["webhook-id"]
               for r in again)  # fmt: skip
    assert [row[:2] for row in works.outbox()] == [("firing", 3), ("resolved", 1)]


async def test_a_message_that_is_refused_for_its_own_sake_holds_up_its_alert_alone(
    make: Make, hook: Webhook
) -> None:
    hook.answers = [422]
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}'}}]")
    works.tell("firing", "resolved", threshold="refused")
    async with notifier(works.url):
        await until(lambda: hook.requests, "it is refused")
        works.tell("firing", "resolved", threshold="other")
        await until(lambda: kinds(hook, "other") == ["firing", "resolved"], "the other is told")
        assert kinds(hook, "refused") == []
    assert works.outbox()[0] == ("firing", 1, "the receiver answered 422")


async def test_a_receiver_that_hangs_delays_nobody_else(make: Make, hook: Webhook) -> None:
    with Webhook() as hanging:
        hanging.answering.clear()
        works = make(f"[{{mqtt: false}}, {{webhook: '{hanging.url}'}}, {{webhook: '{hook.url}'}}]")
        works.tell("firing")
        async with notifier(works.url):
            await until(lambda: hanging.held == 1, "the one hangs")
            works.tell("resolved")
            works.tell("firing", threshold="another")
            await until(lambda: len(hook.taken) == 3, "the other hears everything")
            assert hanging.taken == []
            hanging.answering.set()
            await until(lambda: works.waiting() == 0, "the one hears it in the end")
    assert kinds(hanging) == ["firing", "resolved"]


async def test_a_redirect_is_not_followed(make: Make, hook: Webhook) -> None:
    with Webhook() as other:
        hook.headers, hook.answers = {"Location": other.url}, [307]
        works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}'}}]")
        works.tell("firing")
        async with notifier(works.url):
            await until(lambda: works.outbox()[0][1] == 1, "it was tried")
            assert "redirects are not followed" in works.outbox()[0][2]
        assert other.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1"])
async def test_a_private_address_is_refused_unless_that_is_set(
    make: Make, hook: Webhook, host: str
) -> None:
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url.replace('127.0.0.1', host)}'}}]")
    works.tell("firing")
    async with notifier(works.url, webhook_private="refuse"):
        await until(lambda: works.outbox()[0][1] == 1, "it was tried")
    assert hook.requests == []
    assert "set TONNE_WEBHOOK_PRIVATE=allow if it is yours" in works.outbox()[0][2]


_UNSET = "TONNE_SECRET_NOT_SET_HERE"


async def test_nothing_is_told_without_the_signature_that_was_asked_for(
    make: Make, hook: Webhook
) -> None:
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}', secret_env: {_UNSET}}}]")
    works.tell("firing")
    async with notifier(works.url):
        await until(lambda: works.outbox()[0][1] == 1, "it was tried")
    assert hook.requests == []
    assert f"{_UNSET} is not set where the notifier runs" in works.outbox()[0][2]


async def test_a_variable_that_is_not_there_to_be_named_signs_nothing(
    make: Make, hook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The registry may hold what was applied before names were looked at."""
    monkeypatch.setenv("TONNE_SMTP_PASSWORD_FOR_TEST", "hunter2")
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}', secret_env: {_UNSET}}}]")
    works.connection.execute(
        "UPDATE facility SET document = replace(document::text, %s, %s)::jsonb",
        (_UNSET, "TONNE_SMTP_PASSWORD_FOR_TEST"),
    )
    works.connection.execute("UPDATE facility_grant SET name = 'TONNE_SMTP_PASSWORD_FOR_TEST'")
    works.tell("firing")
    async with notifier(works.url):
        await until(lambda: works.outbox()[0][1] == 1, "it was tried")
    assert hook.requests == []
    said = works.outbox()[0][2]
    assert "rename it to TONNE_SECRET_SMTP_PASSWORD_FOR_TEST where the notifier runs" in said
    assert "hunter2" not in said + caplog.text


async def test_a_secret_whose_grant_was_taken_back_signs_nothing_more(
    make: Make, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONNE_SECRET_HOOK", "secret")
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}', secret_env: TONNE_SECRET_HOOK}}]")
    async with notifier(works.url):
        works.tell("firing")
        await until(lambda: works.waiting() == 0, "it is told")
        works.connection.execute("DELETE FROM facility_grant")
        works.connection.execute("UPDATE registry_revision SET revision = revision + 1")
        works.tell("resolved")
        await until(lambda: works.outbox()[1][1] == 1, "the next was tried")
    assert len(hook.requests) == 1
    assert "`tonne secrets grant works TONNE_SECRET_HOOK`" in works.outbox()[1][2]


async def test_two_notifiers_share_the_recipients_and_tell_each_message_once(
    make: Make, hook: Webhook
) -> None:
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}'}}]")
    async with notifier(works.url), notifier(works.url):
        for number in range(20):
            works.tell("firing", "resolved", threshold=f"t{number}")
        await until(lambda: works.waiting() == 0, "everything is told")
    assert len(hook.taken) == 40
    for number in range(20):
        assert kinds(hook, f"t{number}") == ["firing", "resolved"]


async def test_what_belongs_to_a_recipient_that_was_taken_out_is_given_up(
    make: Make, hook: Webhook
) -> None:
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}'}}]")
    works.tell("firing")
    make("[{mqtt: false}, {email: a@example.org}]")
    async with notifier(works.url):
        await until(lambda: works.outbox("abandoned_at")[0][0], "it is given up")
    assert hook.requests == []
