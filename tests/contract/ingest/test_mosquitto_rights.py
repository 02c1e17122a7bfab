"""What mosquitto's access rules refuse, as MQTT 5 tells it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.core.runtime import broker_url
from services.ingest.sources.mqtt.source import MqttSource
from services.ingest.sources.source import SourceError
from tests.contract.ingest.brokers import HOLD_S
from tests.contract.ingest.conftest import payloads, received
from tests.contract.ingest.traffic import publish
from tests.patience import PATIENCE_S, until
from tests.services import Mosquitto, server_directory

pytestmark = pytest.mark.broker

_LIBRARIES = Path("/usr/lib")

#: As Debian and the image of Eclipse have it.
_PLUGIN = "mosquitto_dynamic_security.so"

_RIGHTS = {
    "defaultACLAccess": {
        "publishClientSend": True,
        "publishClientReceive": True,
        "subscribe": False,
        "unsubscribe": True,
    },
    "groups": [{"groupname": "anybody", "roles": [{"rolename": "reads-shop"}]}],
    "roles": [
        {
            "rolename": "reads-shop",
            "acls": [{"acltype": "subscribePattern", "topic": "shop/#", "allow": True}],
        }
    ],
    "anonymousGroup": "anybody",
}


class _Guarded(Mosquitto):
    """Lets everybody subscribe below ``shop`` and nowhere else."""

    def listeners(self) -> str:
        rights = self.directory / "rights.json"
        rights.write_text(json.dumps(_RIGHTS))
        return f"plugin {plugin()}\nplugin_opt_config_file {rights}\n"


def plugin() -> str:
    """Return where the plugin of dynamic rights is installed."""
    places = [*_LIBRARIES.glob(f"*/{_PLUGIN}"), *_LIBRARIES.glob(_PLUGIN)]
    if not places:
        pytest.fail(f"{_PLUGIN} is missing; run: deploy/local/bootstrap.sh test")
    return str(places[0])


@pytest.fixture
def guarded() -> Iterator[_Guarded]:
    with server_directory() as directory:
        server = _Guarded(directory)
        server.start()
        yield server
        server.stop()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_filter_that_is_refused_is_told_and_the_others_go_on(
    guarded: _Guarded, version: str
) -> None:
    source = MqttSource(
        broker_url.parse(guarded.url), client_id=f"reader-{version}", max_waiting=10,
        hold_s=HOLD_S,
        version=version,  # type: ignore[arg-type]
    )  # fmt: skip
    with contextlib.closing(source):
        source.start(frozenset({"shop/#", "office/#"}))
        until(lambda: source.connected, "the broker has answered for both")
        assert source.refused.keys() == {"office/#"}
        why = source.refused["office/#"]
        assert "give tonne's user the right to" in why
        # with 3.1.1 there is one code for whatever it is
        assert ("(Not authorized)" in why) == (version == "5")
        publish(guarded.port, [("office/a", b"unheard"), ("shop/a", b"heard")])
        assert payloads(received(source, 1)) == [b"heard"]


def test_a_session_that_is_refused_ends_with_its_reason(guarded: _Guarded) -> None:
    url = broker_url.parse(guarded.url.replace("//", "//nobody:wrong@"))
    with contextlib.closing(
        MqttSource(url, client_id="nobody", max_waiting=10, version="5", hold_s=HOLD_S)
    ) as source:
        source.start(frozenset({"shop/#"}))
        with pytest.raises(SourceError, match=r"refuses the session \(Not authorized\).*URL"):
            source.receive(limit=1, gather_s=0.0, timeout_s=PATIENCE_S)
