"""Spellings of this machine's addresses, posted to as a webhook: none may be delivered."""

from __future__ import annotations

import ssl

import pytest

from services.core.runtime.clock import SystemClock
from services.notify.address import Reach
from services.notify.channel import DeliveryError
from services.notify.post import Poster
from services.notify.resolve import SystemResolver
from tests.receivers import Webhook

#: What stands for ``{port}`` is a receiver that listens on 127.0.0.1.
SPELLINGS = (
    "http://127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://127.000.000.001:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0x7F.1:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0177.0x0.0.1:{port}/",
    "http://00000000177.0.0.1:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://ip6-localhost:{port}/",
    "http://[::1]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[::1%25lo]:{port}/",
    "http://user:password@127.0.0.1:{port}/",
    "http://example.org@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@example.org/",
    "http://127.0.0.1:{port}\\@example.org/",
    "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11:{port}/",
    "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460:{port}/",
    "http://127\u30020\u30020\u30021:{port}/",
    "http://127.0.0.1%2f@127.0.0.1:{port}/",
    "http://169.254.169.254/latest/meta-data/",
)


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_spelling_of_an_address_inside_is_delivered(spelling: str, hook: Webhook) -> None:
    poster = Poster(
        resolver=SystemResolver(),
        reach=Reach.PUBLIC,
        clock=SystemClock(),
        tls=ssl.create_default_context(),
        max_at_once=1,
        quote_answers=True,
    )
    port = hook.url.rpartition(":")[2].partition("/")[0]
    try:
        with pytest.raises(DeliveryError):
            await poster.post(spelling.format(port=port), b"{}", {})
    finally:
        await poster.close()
    assert hook.requests == []
