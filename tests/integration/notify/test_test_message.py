"""``tonne alerts test`` and ``tonne alerts waiting``, as an administrator calls them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from services.core.store.alerts import outbox
from services.core.store.database.progress import runs
from tests.integration.notify.harness import Make, notifier, until
from tests.receivers import Webhook
from tests.services import as_login, free_port

pytestmark = pytest.mark.database

_TONNE = str(Path(sys.executable).parent / "tonne")


async def tonne(url: str, *words: str) -> tuple[int, str]:
    done = await asyncio.to_thread(
        subprocess.run,
        [_TONNE, *words],
        env={
            "TONNE_DATABASE_URL": as_login(url, "tonne_admin"),
            "PATH": "/usr/bin:/bin",
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


async def test_a_test_message_reaches_every_recipient_or_says_why_not(
    make: Make, hook: Webhook
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/T0/secret"
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}'}}, {{alertmanager: '{nobody}'}}]")
    status, said = await tonne(works.url, "alerts", "test", "works")
    assert (status, said) == (1, "tonne: the notifier is not running; start `tonne notify`\n")
    async with notifier(works.url):
        await until(lambda: runs(works.connection, "notify"), "the notifier said that it runs")
        status, said = await tonne(works.url, "alerts", "test", "works", "--to", "webhook")
        assert status == 0
        assert said.startswith(f"webhook {hook.url.removesuffix('/hook')}: delivered in ")
        status, said = await tonne(works.url, "alerts", "test", "works", "--wait", "10")
        assert status == 1
        told, not_told = said.splitlines()
        assert ": delivered in " in told
        assert "not delivered within 10 s: ConnectError" in not_told
        assert "secret" not in said
    kinds = [(body["kind"], body["facility"], "threshold" in body) for body in hook.taken]
    assert kinds == [("test", "works", False)] * 2
    # it is not told days later, when nobody remembers
    assert works.outbox("abandoned_at IS NULL, delivered_at IS NULL")[-1] == (False, True)


async def test_a_recipient_that_rests_is_tried_by_a_test_and_then_hears_everything(
    make: Make, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notify.worker._IDLE_S", 0.1)
    hook.answers, hook.headers = [503], {"Retry-After": "600"}
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}'}}]")
    works.tell("firing", source_name="Kiln 1")
    async with notifier(works.url):
        await until(lambda: works.outbox()[0][1] == 1, "it failed, and asks to be left alone")
        status, said = await tonne(works.url, "alerts", "waiting")
        assert status == 0
        assert "high" in said
        assert "Kiln 1" in said
        assert "the receiver answered 503" in said
        works.tell("firing", threshold="other")
        assert len(hook.requests) == 1, "it is left alone, whatever else is due"
        status, _ = await tonne(works.url, "alerts", "test", "works")
        assert status == 0
        await until(lambda: len(hook.taken) == 3, "what waited is told")
    assert hook.taken[0]["kind"] == "test"
    assert {body.get("threshold") for body in hook.taken[1:]} == {"high", "other"}


async def test_a_test_frees_what_a_notifier_before_this_one_postponed(
    make: Make, hook: Webhook
) -> None:
    hook.answers = [400, 503]
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}'}}]")
    works.tell("firing", threshold="refused")
    async with notifier(works.url, public_url="https://tonne.example.org"):
        await until(lambda: works.outbox()[0][1] == 1, "it was refused by itself, for an hour")
        works.tell("firing", threshold="away", started_at="2026-11-24T11:02:00.000Z")
        await until(lambda: works.outbox()[1][1] == 1, "the receiver was away")
    works.connection.execute("UPDATE outbox SET next_try_at = now() + interval '10 minutes'")
    async with notifier(works.url, public_url="https://tonne.example.org/"):
        outbox.enqueue_test(works.connection, "works", kinds=(), by="a test")
        await until(lambda: works.waiting() == 0, "both are told after the test")
    assert [body["kind"] for body in hook.taken] == ["test", "firing", "firing"]
    (away,) = (body for body in hook.taken if body.get("threshold") == "away")
    assert away["started_at_local"] == "2026-11-24T12:02:00+01:00"
    assert (away["facility_name"], away["timezone"]) == ("Works", "Europe/Vienna")
    assert away["link"] == "https://tonne.example.org/?facility=works"


async def test_a_receivers_answer_commands_no_terminal(make: Make, hook: Webhook) -> None:
    # the NUL would also be refused by the database, as the reason of a try
    hook.headers = {"Retry-After": "600"}
    hook.answers, hook.said = [500], "\x1b]0;owned\x07\x1b[2J\0\u202etrue [bold]x".encode()
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}'}}]")
    works.tell("firing")
    async with notifier(works.url):
        await until(lambda: works.outbox()[0][1] == 1, "it failed once")
        status, said = await tonne(works.url, "alerts", "waiting")
    assert status == 0
    assert "owned" in said
    assert "[bold]x" in said
    assert not set("\x1b\x07\0\u202e") & set(said)
