"""One recipient, or one message, that fails as nobody thought of holds up nobody else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from services.core.runtime.clock import SystemClock
from services.core.runtime.steady_time import SteadyTime
from services.notify.channel import Channel
from tests.integration.notify.harness import Make, Works, notifier, until
from tests.receivers import Webhook

pytestmark = pytest.mark.database

ToChannel = Callable[[str], Channel]


def notices(works: Works) -> dict[str, str]:
    rows = works.connection.execute(
        "SELECT n ->> 'code', n ->> 'detail' FROM process_progress,"
        " jsonb_array_elements(state -> 'notices') n WHERE process = 'notify'"
    )
    return dict(rows.fetchall())


def breaking(error: Exception, what: str) -> Callable[[ToChannel], ToChannel]:
    """Ways of which one fails: to open it, to repeat, or to send over it."""

    def through(ways: ToChannel) -> ToChannel:
        def channel_to(target: str) -> Channel:
            if "broken" not in target:
                return ways(target)
            if what == "open":
                raise error
            channel = ways(target)

            async def fails(*_: Any) -> None:
                raise error

            setattr(channel, what, fails)
            return channel

        return channel_to

    return through


@pytest.mark.parametrize("what", ["open", "send", "close"])
@pytest.mark.parametrize(
    "error",
    [RecursionError("too deep"), UnicodeError("a lone \ud800 surrogate"), ValueError("a \0 byte")],
    ids=["recursion", "unicode", "nul"],
)
async def test_a_recipient_that_breaks_holds_up_nobody(
    make: Make, hook: Webhook, error: Exception, what: str
) -> None:
    works = make(
        f"[{{mqtt: false}}, {{webhook: '{hook.url}/broken', heartbeat: 10}},"
        f" {{webhook: '{hook.url}'}}]"
    )
    works.tell("firing", "resolved")
    async with notifier(works.url, through=breaking(error, what)):
        await until(lambda: works.waiting() <= 2, "the other is told")
        if what == "open":
            said = await until(lambda: notices(works).get("recipient-left-alone"), "it is said")
            assert type(error).__name__ in said
        # and what comes later is told, too
        works.tell("firing", threshold="second")
        await until(lambda: [b["threshold"] for b in hook.taken].count("second") >= 1, "it goes on")


async def test_a_message_that_cannot_be_told_is_set_aside_and_those_behind_it_are_told(
    make: Make, hook: Webhook
) -> None:
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}'}}]")
    works.tell("firing", "resolved")
    works.connection.execute("UPDATE outbox SET body = '[1]', tries = 4 WHERE kind = 'firing'")
    async with notifier(works.url):
        await until(lambda: [b["kind"] for b in hook.taken] == ["resolved"], "the next is told")
        said = await until(lambda: notices(works).get("messages-set-aside"), "it is said")
    assert "1 messages" in said
    ((reason, abandoned),) = works.connection.execute(
        "SELECT last_error, abandoned_at IS NOT NULL FROM outbox WHERE kind = 'firing'"
    ).fetchall()
    assert abandoned
    assert reason.startswith("cannot be sent: ")


async def test_entries_that_nobody_understands_are_passed_over(make: Make, hook: Webhook) -> None:
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}'}}]")
    works.connection.execute(
        "INSERT INTO facility (slug, name, timezone, document) VALUES"
        " ('other', 'Other', 'UTC', '{\"notify\": 5}'), ('third', 'Third', 'UTC',"
        ' \'{"notify": [5, {"webhook": [1]}]}\')'
    )
    works.tell("firing")
    async with notifier(works.url):
        await until(lambda: works.waiting() == 0, "it is told")


async def test_a_first_try_waits_for_no_clock(make: Make, hook: Webhook) -> None:
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}'}}]")
    works.tell("firing")
    # decided while the clock was two hours ahead
    works.connection.execute("UPDATE outbox SET next_try_at = now() + interval '2 hours'")
    async with notifier(works.url):
        await until(lambda: works.waiting() == 0, "it is told")


async def test_what_was_put_off_is_tried_when_the_clock_was_wrong(
    make: Make, hook: Webhook
) -> None:
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}'}}]")
    works.tell("firing")
    works.connection.execute(
        "UPDATE outbox SET tries = 3, next_try_at = now() + interval '50 minutes'"
    )
    clock = SteadyTime()
    async with notifier(works.url, clock=clock):
        turned = "SELECT 1 FROM process_progress WHERE process = 'notify'"
        await until(lambda: works.connection.execute(turned).fetchone(), "it turns")
        assert works.waiting() == 1
        ahead = SystemClock().now() + timedelta(hours=2)
        clock.observe(ahead, began_s=clock.begin_look())
        await until(lambda: works.waiting() == 0, "it is told")
