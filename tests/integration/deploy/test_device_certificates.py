"""`tonne devices credentials --tls`: who a client is, its certificate says, and nothing else."""

from __future__ import annotations

import json
import ssl
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from typer.testing import CliRunner

from services.cli import app, authority
from tests import applying
from tests.integration.deploy.certified import FILES, Certified, certified, command, end
from tests.integration.ingest.plant import Plant
from tests.patience import until
from tests.services import Nats, Postgres, as_login, server_directory

pytestmark = [pytest.mark.broker, pytest.mark.database]

OWN = ("emissions/linz/cems-1/readings", b"own")


@pytest.fixture(scope="module")
def registry(postgres_cluster: Postgres, migrated_template: str) -> Iterator[str]:
    with (
        postgres_cluster.fresh_database(template=migrated_template) as url,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TONNE_DATABASE_URL", as_login(url, "tonne_admin"))
        for text in FILES:
            applying.apply_text(url, text)
        yield url


@pytest.fixture(scope="module", params=["nats", "mosquitto"])
def broker(request: pytest.FixtureRequest, registry: str) -> Iterator[Certified]:
    del registry
    with server_directory() as directory, certified(request.param, directory) as there:
        yield there


def assert_own_alone(there: Certified) -> None:
    """What the device says at its own topic arrives, and nothing that was tried before."""
    there.publish("linz.cems-1", *OWN)
    until(lambda: there.heard, "what is allowed arrives")
    assert there.heard == [OWN]


@pytest.mark.parametrize(
    ("account", "topic"),
    [
        ("linz.cems-1", "emissions/linz/cems-2/readings"),
        ("linz.cems-1", "emissions/graz/cems-1/readings"),
        ("graz.cems-1", "emissions/linz/cems-1/readings"),
        ("linz.cems-1", "emissions/linz/alerts/limit"),
        ("linz.cems-1", "emissions/linz/cems-1/readings/more"),
        ("linz.cems-1", "$SYS/broker/uptime"),
        ("linz.cems-1", "$JS/API/STREAM/DELETE/$MQTT_msgs"),
        ("tonne-notify", "emissions/linz/cems-1/readings"),
    ],
)
def test_a_certificate_speaks_for_its_device_alone(
    broker: Certified, account: str, topic: str
) -> None:
    with broker.listening():
        broker.publish(account, topic, b"forged")
        broker.publish(account, topic, b"forged", retain=True)
        assert_own_alone(broker)


def test_nobody_gets_in_without_a_certificate_of_the_authority(
    broker: Certified, tmp_path: Path
) -> None:
    assert broker.client(None) is None
    assert broker.client(None, user="linz.cems-1") is None
    other = trustme.CA().issue_cert("linz.cems-1", common_name="linz.cems-1")
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    other.cert_chain_pems[0].write_to_path(str(files[0]))
    other.private_key_pem.write_to_path(str(files[1]))
    assert broker.client(files) is None
    # the broker's own certificate is none for a client
    assert broker.client(broker.files("broker")) is None
    certificate, _ = broker.files("linz.cems-1")
    with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
        broker.client((certificate, broker.files("linz.cems-2")[1]))


def test_a_user_name_beside_the_certificate_changes_nothing(broker: Certified) -> None:
    """NATS refuses it, mosquitto does not look at it."""
    client = broker.client(broker.files("linz.cems-1"), user="tonne-ingest")
    if client is not None:
        heard: list[str] = []
        answered: list[int] = []
        client.on_message = lambda _c, _u, m: heard.append(m.topic)
        client.on_subscribe = lambda _c, _u, mid, _r, _p: answered.append(mid)
        client.subscribe("#", 1)
        until(lambda: answered, "the broker answers")
        with broker.listening():
            assert_own_alone(broker)
        end(client)
        assert heard == []


def test_an_expired_certificate_lets_nobody_in(broker: Certified, tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=30)
    with authority.opened(broker.authority) as issuer:
        issuer.issue("linz.cems-2", days=1, now=long_ago)
        issuer.save(datetime.now(UTC))
    expired = broker.kept("linz.cems-2", tmp_path / "expired")
    assert broker.client(expired) is None
    # what expired is due to be renewed, without its device being named
    broker.issue()
    broker.reload()
    with broker.connected("linz.cems-2"):
        pass
    assert broker.client(expired) is None


def test_a_revoked_certificate_ends_what_its_holder_does(broker: Certified, tmp_path: Path) -> None:
    stolen = broker.kept("graz.cems-1", tmp_path / "stolen")
    thief = broker.client(stolen, client_id="thief")
    assert thief is not None
    broker.revoke("graz/cems-1")
    broker.reload()
    if isinstance(broker.server, Nats):
        until(lambda: not thief.is_connected(), "the connection is ended")
    with broker.listening():
        # mosquitto keeps the connection, which has no right any more
        thief.publish("emissions/graz/cems-1/readings", b"forged", qos=1)
        assert broker.client(stolen) is None
        assert_own_alone(broker)
    end(thief)
    broker.issue("graz/cems-1")
    broker.reload()
    assert broker.client(stolen) is None
    with broker.connected("graz.cems-1"):
        pass


def test_one_of_two_certificates_of_a_device_is_revoked(broker: Certified, tmp_path: Path) -> None:
    """A renewal leaves the one before valid, so that a device may change over when it can."""
    before = broker.kept("linz.cems-2", tmp_path / "before")
    broker.issue("linz/cems-2")
    broker.reload()
    for files in (before, broker.files("linz.cems-2")):
        client = broker.client(files)
        assert client is not None
        end(client)
    listed = json.loads(
        command("devices", "certificates", "--into", str(broker.authority), "--json")
    )
    first, last = [row for row in listed if row["account"] == "linz.cems-2"][-2:]
    assert (first["state"], last["state"]) == ("valid", "valid")
    broker.revoke("linz/cems-2", "--serial", first["serial"])
    broker.reload()
    assert broker.client(before) is None
    with broker.connected("linz.cems-2"):
        pass


@pytest.mark.parametrize("filter_", ["#", "+/+/+/+", "$SYS/#", "emissions/linz/+/readings"])
def test_a_wildcard_subscription_hears_nothing(broker: Certified, filter_: str) -> None:
    heard: list[str] = []
    answered: list[int] = []
    with broker.connected("linz.cems-2") as spy:
        spy.on_message = lambda _c, _u, m: heard.append(m.topic)
        spy.on_subscribe = lambda _c, _u, mid, _r, _p: answered.append(mid)
        spy.subscribe(filter_, 1)
        until(lambda: answered or not spy.is_connected(), "the broker answers")
        with broker.listening():
            assert_own_alone(broker)
    assert heard == []


@pytest.mark.parametrize("topic", [b"emissions/linz/+/readings", b"emissions/#", b"#", b""])
def test_a_wildcard_publish_reaches_nobody(broker: Certified, topic: bytes) -> None:
    with broker.listening():
        with broker.raw("linz.cems-1") as wire:
            body = len(topic).to_bytes(2, "big") + topic + b"\x00\x01forged"
            wire.sendall(bytes([0x32, len(body)]) + body)
            # an acknowledgement, or the end of the connection
            wire.recv(4)
        assert_own_alone(broker)


def test_a_bomb_of_retained_messages_leaves_nothing(broker: Certified) -> None:
    with broker.connected("linz.cems-1") as device:
        for number in range(300):
            if not device.is_connected():
                break
            device.publish(
                f"emissions/linz/cems-1/bomb/{number}", b"x" * 10_000, qos=1, retain=True
            )
    with broker.listening():
        assert_own_alone(broker)


def hangs_up(wire: ssl.SSLSocket, head: bytes) -> bool:
    """Whether the broker ends the connection within the 64 MiB that follow."""
    try:
        wire.sendall(head)
        for _ in range(64):
            wire.sendall(b"x" * (1 << 20))
        return wire.recv(1) == b""
    except OSError:
        return True


def test_a_packet_that_is_too_large_ends_its_connection_alone(broker: Certified) -> None:
    with broker.listening(), broker.connected("linz.cems-2") as other:
        with broker.raw("linz.cems-1") as wire:
            topic = OWN[0].encode()
            head = len(topic).to_bytes(2, "big") + topic + b"\x00\x01"
            # 64 MiB are announced, of which no more than some is taken
            announced = 64 << 20
            length = bytes(
                (announced >> 7 * place) & 0x7F | (0x80 if place < 3 else 0) for place in range(4)
            )
            assert hangs_up(wire, b"\x32" + length + head)
        assert other.is_connected()
        assert_own_alone(broker)


@pytest.mark.parametrize(
    "topic", [b"emissions/linz/cems-2/readings", b"emissions/graz/cems-1/status", b"$SYS/forged"]
)
def test_a_will_speaks_for_its_device_alone(broker: Certified, topic: bytes) -> None:
    with broker.listening():
        with broker.raw("linz.cems-1", will=topic):
            # it ends without a word: the broker says what it was asked to
            pass
        with broker.raw("linz.cems-1", will=OWN[0].encode()):
            pass
        until(lambda: broker.heard, "a will at its own topic is published")
        assert broker.heard == [(OWN[0], b"forged")]


def test_a_client_id_stays_its_owners_when_settings_are_read_again(broker: Certified) -> None:
    if isinstance(broker.server, Nats):
        pytest.skip("NATS ends the older of two connections with one client id, whoever has it")
    with broker.connected("linz.cems-2", client_id="linz.cems-2") as other:
        broker.reload()
        with broker.connected("linz.cems-1", client_id="linz.cems-2"), broker.listening():
            assert_own_alone(broker)
            assert other.is_connected()


def test_the_brokers_own_certificate_is_renewed_without_a_restart(broker: Certified) -> None:
    before = broker.serial
    with broker.connected("linz.cems-1") as device:
        kind = "nats" if isinstance(broker.server, Nats) else "mosquitto"
        command(
            "devices", "credentials", "--tls", "--broker", kind, "--into", str(broker.authority),
            "--server", "127.0.0.1", "--server", "broker.example.org",
        )  # fmt: skip
        broker.reload()
        until(lambda: broker.serial != before, "the broker shows the new one")
        assert device.is_connected()


def test_tonnes_certificate_is_renewed_without_a_restart(
    broker: Certified, registry: str, tmp_path: Path
) -> None:
    """Ingest goes on by the new one when its connection ends, and stores what a device says of
    itself as the device's, whatever else the payload claims."""
    certificate, key = broker.files("tonne-ingest")
    plant = Plant(
        database=registry,
        broker=broker.server,
        url=f"mqtts://127.0.0.1:{broker.server.port}",
        log=tmp_path / "ingest.log",
    )
    settings = {
        "TONNE_MQTT_TLS_CA": str(broker.authority / "authority.pem"),
        "TONNE_MQTT_TLS_CERT": str(certificate),
        "TONNE_MQTT_TLS_KEY": str(key),
        "TONNE_DISCOVERY_TOPICS": "off",
    }
    # the other broker's run stored readings as well
    begin = 1_700_000_000_000 + broker.server.port
    before = plant.rows("SELECT count(*) FROM reading")[0]["count"]

    def stored(number: int) -> None:
        """A device that claims to be another is itself."""
        claim = {"device": "cems-2", "facility": "graz", "topic": "emissions/graz/cems-1/readings"}
        payload = json.dumps({"ts": begin + number, "values": {"co2": number}, **claim}).encode()
        count = before + number + 1
        broker.publish("linz.cems-1", OWN[0], payload)
        until(
            lambda: plant.rows("SELECT count(*) FROM reading")[0]["count"] == count,
            "the reading is stored",
            explain=lambda: plant.log.read_text()[-2000:],
        )

    try:
        plant.started(**settings)
        stored(0)
        with authority.opened(broker.authority) as issuer:
            used = issuer.newest("tonne-ingest")
        assert used is not None
        assert used.account == "tonne-ingest"
        connections = plant.said("listening at the broker")
        with authority.opened(broker.authority) as issuer:
            issuer.issue("tonne-ingest", days=30, now=datetime.now(UTC))
            issuer.save(datetime.now(UTC))
        broker.revoke("tonne-ingest", "--serial", used.serial)
        broker.reload()
        if not isinstance(broker.server, Nats):
            # it leaves connections as they are
            broker.server.stop()
            broker.server.start()
        until(
            lambda: plant.said("listening at the broker") > connections, "ingest is connected again"
        )
        stored(1)
        rows = plant.rows(
            "SELECT DISTINCT f.slug AS facility, d.slug AS device FROM reading r"
            " JOIN channel c ON c.id = r.channel_id JOIN device d ON d.id = c.device_id"
            " JOIN facility f ON f.id = d.facility_id"
        )
        assert rows == [{"facility": "linz", "device": "cems-1"}]
        assert not plant.exited
    finally:
        plant.kill()


def test_keys_are_readable_by_their_owner_alone_and_settings_hold_none(broker: Certified) -> None:
    keys = [*broker.authority.glob("certificates/*/key.pem"), broker.authority / "authority.key"]
    assert len(keys) > 5
    for key in keys:
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    for file in (*broker.authority.glob("*-users.conf"), *broker.authority.glob("mosquitto-*")):
        assert "PRIVATE" not in file.read_text()


@pytest.mark.usefixtures("registry")
def test_a_run_issues_what_is_missing_or_due_and_nothing_else(tmp_path: Path) -> None:
    arguments = ["devices", "credentials", "--tls", "--broker", "nats", "--into", str(tmp_path)]

    def issued() -> list[str]:
        return [line.split()[0] for line in command(*arguments).splitlines() if "/" in line]

    everybody = issued()
    assert {"linz.cems-1", "linz.cems-2", "graz.cems-1", "tonne-ingest"} <= set(everybody)
    assert issued() == []
    now = datetime.now(UTC)
    with authority.opened(tmp_path) as issuer:
        # of a year, eight months are over
        issuer.issue("graz.cems-1", days=121, now=now - timedelta(days=244) + timedelta(days=124))
        issuer.save(now)
    assert issued() == ["graz.cems-1"]


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["credentials", "--broker", "nats", "--tls"], "--tls needs --into"),
        (["credentials", "--broker", "nats", "--server", "b"], "add --tls"),
        (["credentials", "nobody", "--broker", "nats", "--tls", "--into", "."], "no facility has"),
        (["revoke", "linz/cems-1", "--into", "."], "has no such valid certificate"),
    ],
)
def test_what_cannot_be_done_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], answer: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["devices", *arguments])
    assert result.exit_code == 1
    assert answer in " ".join(result.output.split())


@pytest.mark.usefixtures("registry")
def test_an_authority_without_its_key_is_not_replaced(tmp_path: Path) -> None:
    arguments = ["devices", "credentials", "--tls", "--broker", "nats", "--into", str(tmp_path)]
    command(*arguments)
    (tmp_path / "authority.key").unlink()
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "bring the key back" in " ".join(result.output.split())
