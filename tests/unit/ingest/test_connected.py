from __future__ import annotations

from services.core.runtime import broker_url
from services.ingest.sources.mqtt.source import MqttSource


def test_a_source_that_is_just_told_other_filters_counts_as_connected_by_none_of_the_old() -> None:
    """The session is told by another thread, in the moment in which somebody asks."""
    source = MqttSource(broker_url.parse("mqtt://127.0.0.1:1"), client_id="one", max_waiting=1)

    class Session:
        """As it is while the network thread tells it what was asked for."""

        is_told = False

        @property
        def ready(self) -> bool:
            if self.is_told:
                return False
            # of the filters of before, all of which are granted
            source._asked.clear()
            self.is_told = True
            return True

        def release(self) -> None:
            """Has nothing to close."""

    source._session.release()
    source._session = Session()  # type: ignore[assignment]
    source.subscribe(frozenset({"emissions/#"}))
    assert not source.connected
    source.close()
