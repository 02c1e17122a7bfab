"""The local stack notices a broker that lives and keeps nothing any more."""

from __future__ import annotations

import pytest

from deploy.local.broker_watch import acknowledges
from tests.patience import until
from tests.services import Nats, server_directory
from tests.small_disk import fill, small_disk

pytestmark = pytest.mark.broker


def test_a_broker_that_gave_up_its_store_acknowledges_nothing() -> None:
    with server_directory() as directory:
        store = directory / "store"
        store.mkdir()
        with small_disk(store, 60):
            broker = Nats(directory)
            broker.start()
            try:
                until(lambda: acknowledges(broker.port), "a broker that has room acknowledges")

                def gave_up() -> bool:
                    fill(store)
                    return not acknowledges(broker.port)

                until(gave_up, "a broker without room acknowledges nothing")
                fill(store).unlink()
                broker.stop()
                broker.start()
                until(lambda: acknowledges(broker.port), "started with room, it acknowledges")
            finally:
                broker.stop()
