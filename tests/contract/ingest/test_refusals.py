"""What a broker refuses for good ends the source with a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.ingest.source import SourceError
from tests.contract.ingest.conftest import Line
from tests.services import Mosquitto, Nats, server_directory

pytestmark = pytest.mark.broker


class _Closed(Mosquitto):
    """Lets nobody in."""

    def command(self) -> list[str]:
        words = super().command()
        settings = self.directory / "mosquitto.conf"
        settings.write_text(settings.read_text().replace("anonymous true", "anonymous false"))
        return words


@pytest.fixture
def closed() -> Iterator[_Closed]:
    with server_directory() as directory:
        server = _Closed(directory)
        server.start()
        yield server
        server.stop()


def test_a_broker_that_refuses_the_user(closed: _Closed) -> None:
    line = Line(closed.port)
    source = line.source()
    source.start(frozenset({"a"}))
    with pytest.raises(SourceError, match=r"Not authorized.*TONNE_MQTT_URL"):
        source.receive(most=1, gather_s=0.0, timeout_s=30.0)
    source.close()


def test_more_in_flight_than_nats_allows_to_one_session(nats: Nats) -> None:
    nats.start()
    line = Line(nats.port)
    source = line.source()
    source.start(frozenset(f"{line.name}/{i}/#" for i in range(8)))
    with pytest.raises(SourceError, match="max_ack_pending"):
        source.receive(most=1, gather_s=0.0, timeout_s=30.0)
    source.close()
