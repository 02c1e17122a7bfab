"""``tonne backup`` and ``tonne restore``: what they refuse, and what they say to do."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from services.core.backup import folder
from services.core.runtime.mqtt_client import MqttClient
from services.core.store.operations.backup_facts import SLOT
from services.core.store.operations.readiness import readiness
from services.core.store.schema import migrate
from services.core.timeline.instants import rfc3339
from tests.command import tonne
from tests.patience import PATIENCE_S
from tests.services import Nats, Postgres, as_login, server_directory

pytestmark = [pytest.mark.database, pytest.mark.timeout(300)]

_FILE = """\
facility: {id: saved, name: Saved, timezone: UTC}  # as written
devices:
  - {id: meter, channels: [{id: power, quantity: power, unit: kW, kind: gauge}]}
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    """A cluster with nothing in it but one migrated database, so that a copy is small."""
    with server_directory(for_postgres=True, in_memory=True) as directory:
        server = Postgres(directory)
        try:
            server.start()
            migrate.upgrade(server.url)
            (directory / "saved.yaml").write_text(_FILE)
            assert tonne(server.url, "apply", directory / "saved.yaml").code == 0
            server.execute("ALTER ROLE tonne_admin LOGIN")
            yield server
        finally:
            server.kill()


@pytest.fixture(scope="module")
def made(cluster: Postgres) -> Iterator[Path]:
    """A folder with a backup that has files beside the database, and nothing of the broker."""
    with server_directory() as inside:
        extra = inside / "extra"
        extra.mkdir()
        (extra / "notify.env").write_text("TONNE_SECRET_HOOK=abc\n")
        (inside / "hosts").write_text("one more file\n")
        backed_up = tonne(
            cluster.url, "backup", "--to", inside / "backups", "--with", extra,
            "--with", inside / "hosts",
        )  # fmt: skip
        assert backed_up.code == 0, backed_up.said
        assert "what waits at the broker is not in it" in backed_up.stderr
        yield inside


def test_a_backup_holds_the_files_that_it_was_given_and_those_in_force(made: Path) -> None:
    done = tonne("", "restore", made / "backups", "--configuration", made / "back")
    assert done.code == 0, done.said
    assert (made / "back" / "facilities" / "saved.yaml").read_text() == _FILE
    copy = made / "back" / "files" / (made / "extra" / "notify.env").relative_to("/")
    assert copy.read_text() == "TONNE_SECRET_HOOK=abc\n"
    other = made / "back" / "files" / (made / "hosts").relative_to("/")
    assert other.read_text() == "one more file\n"
    again = tonne("", "restore", made / "backups", "--configuration", made / "back")
    assert again.code == 1
    assert "is not empty; name another directory" in again.stderr


def test_who_backed_up_is_in_the_audit_log(made: Path, cluster: Postgres) -> None:
    with psycopg.connect(cluster.url) as connection:
        row = connection.execute(
            "SELECT subject, made_by FROM audit_entry WHERE action = 'backup.take'"
        ).fetchone()
    assert row is not None
    assert (made / "backups" / str(row[0])).is_dir()
    assert str(row[1]).startswith("user ")


@pytest.mark.usefixtures("made")
async def test_readiness_says_that_backups_are_old_and_that_nobody_follows_the_log(
    cluster: Postgres,
) -> None:
    async def codes(max_age: timedelta) -> set[str]:
        state = await readiness(cluster.url, stale_after_s=60, backup_max_age=max_age)
        return {notice.code for notice in state.notices}

    assert await codes(timedelta(hours=48)) == set()
    assert await codes(timedelta(0)) == set()
    assert await codes(timedelta(microseconds=1)) == {"backup-old"}
    cluster.execute(f"SELECT pg_create_physical_replication_slot('{SLOT}', true)")
    assert await codes(timedelta(hours=48)) == {"backup-log-left"}
    cluster.execute(f"SELECT pg_drop_replication_slot('{SLOT}')")


def test_a_listing_says_what_each_backup_is_worth(made: Path) -> None:
    listed = json.loads(tonne("", "backup", "list", "--to", made / "backups", "--json").stdout)
    assert len(listed) == 1
    assert listed[0]["broker"] == "not in it"
    about = folder.about(folder.chosen(made / "backups"))
    # no log was followed: it is restored to its own end
    assert listed[0]["recoverable_until"] == rfc3339(about.ended_at)
    assert tonne("", "backup", "check", "--to", made / "backups").code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "say what to restore: --into DIRECTORY, --broker or --configuration DIRECTORY"),
        (["--into", "/etc"], "/etc must be an empty directory that belongs to the user who runs"),
        (["--broker"], "holds nothing of the broker"),
        (["--into", "EMPTY", "--until", "2026-01-01T00:00:00Z"], "name an older backup"),
        (["--into", "EMPTY", "--until", "2100-01-01T00:00:00Z"], "does not follow on"),
    ],
)
def test_what_cannot_be_restored_says_why(
    made: Path, tmp_path: Path, words: list[str], sentence: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    given = [str(empty) if word == "EMPTY" else word for word in words]
    refused = tonne("", "restore", made / "backups", *given)
    assert refused.code == 1
    assert sentence in refused.stderr
    assert list(empty.iterdir()) == []


def test_a_damaged_backup_restores_nothing(made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "backups"
    shutil.copytree(made / "backups", copy)
    base = folder.chosen(copy) / "database" / "base.tar.gz"
    damaged = bytearray(base.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    base.write_bytes(damaged)
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = tonne("", "restore", copy, "--into", empty)
    assert refused.code == 1
    assert "database/base.tar.gz has changed since it was written" in refused.stderr
    assert list(empty.iterdir()) == []
    checked = tonne("", "backup", "check", "--to", copy)
    assert checked.code == 1
    assert "has changed since it was written" in checked.stdout


def test_a_login_that_may_not_copy_is_told_which_may(cluster: Postgres, tmp_path: Path) -> None:
    refused = tonne(as_login(cluster.url, "tonne_admin"), "backup", "--to", tmp_path / "b")
    assert refused.code == 1
    assert "use the login tonne_backup in TONNE_DATABASE_URL" in refused.stderr
    assert list((tmp_path / "b").iterdir()) == []


@pytest.mark.broker
def test_streams_come_back_to_an_empty_broker_alone(
    cluster: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server_directory() as first, server_directory() as second:
        old, new = Nats(first), Nats(second)
        try:
            old.start()
            publish_waiting(old, 3)
            monkeypatch.setenv("TONNE_BACKUP_BROKER_URL", old.nats_url)
            assert tonne(cluster.url, "backup", "--to", tmp_path / "b").code == 0
            refused = tonne("", "restore", tmp_path / "b", "--broker")
            assert refused.code == 1
            assert "$MQTT_msgs" in refused.stderr
            assert "let it start with an empty directory and NATS_MQTT_PORT=-1" in refused.stderr
            old.kill()
            new.start()
            monkeypatch.setenv("TONNE_BACKUP_BROKER_URL", new.nats_url)
            restored = tonne("", "restore", tmp_path / "b", "--broker")
            assert restored.code == 0, restored.said
            assert "$MQTT_msgs: 3 messages" in restored.stdout
            assert waiting_at(new) == [b"0", b"1", b"2"]
            new.kill()
            away = tonne("", "restore", tmp_path / "b", "--broker")
            assert away.code == 1
            assert "does not answer" in away.stderr
        finally:
            old.kill()
            new.kill()


@contextmanager
def _session(broker: Nats, wanted: int) -> Iterator[list[bytes]]:
    """A persistent session that listens; at the end it has what it waited for, or all it got."""
    heard: list[bytes] = []
    ready, enough = threading.Event(), threading.Event()
    client = MqttClient(CallbackAPIVersion.VERSION2, client_id="waiting", clean_session=False)

    def hear(_client: object, _data: object, message: MQTTMessage) -> None:
        heard.append(message.payload)
        if len(heard) >= wanted:
            enough.set()

    client.on_message = hear
    client.on_subscribe = lambda *_: ready.set()
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        client.subscribe("saved/#", qos=1)
        assert ready.wait(PATIENCE_S)
        yield heard
        assert not wanted or enough.wait(PATIENCE_S)
    finally:
        client.disconnect()
        client.loop_stop()
        client.release()


def publish_waiting(broker: Nats, count: int) -> None:
    """Publish messages that wait for a session which is away."""
    with _session(broker, 0):
        pass
    client = MqttClient(CallbackAPIVersion.VERSION2, client_id="publishing")
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    for number in range(count):
        client.publish("saved/p", str(number), qos=1).wait_for_publish(PATIENCE_S)
    client.disconnect()
    client.loop_stop()
    client.release()


def waiting_at(broker: Nats) -> list[bytes]:
    """Return what waited for the session."""
    with _session(broker, 3) as heard:
        pass
    return heard
