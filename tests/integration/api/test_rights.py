"""What a write key that is limited to one facility may put into its file, played as attacks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from services.api.app import create_app
from services.core.runtime.settings import Settings
from services.core.store.database.connect import engine
from services.core.store.operations import keys
from services.core.store.registry import grants
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S
from tests.services import Postgres, as_login

SECRET_TOPIC = "plant/linz-boiler/meters"


def file(
    facility: str, topic: str | None = None, *, channel_topic: str = "", notify: str = ""
) -> dict[str, Any]:
    device: dict[str, Any] = {
        "id": f"{facility}-gw",
        "format": "json",
        "channels": [
            {"id": "e", "from": "e", "quantity": "energy", "unit": "kWh", "kind": "counter"}
        ],
    }
    if topic is not None:
        device["topic"] = topic
    if channel_topic:
        device["channels"][0]["topic"] = channel_topic
    made: dict[str, Any] = {
        "facility": {"id": facility, "name": facility, "timezone": "UTC"},
        "devices": [device],
    }
    if notify:
        made["notify"] = [{"webhook": "https://example.org/hook", "secret_env": notify}]
    return made


class Side:
    """Somebody with a key."""

    def __init__(self, client: httpx.AsyncClient, key: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {key}"}

    async def put(self, body: dict[str, Any]) -> httpx.Response:
        address = f"/v1/facilities/{body['facility']['id']}"
        return await self._client.put(address, json=body, headers=self._headers)

    async def get(self, address: str) -> httpx.Response:
        return await self._client.get(address, headers=self._headers)


@asynccontextmanager
async def two_sides(database_url: str) -> AsyncIterator[tuple[Side, Side]]:
    """An admin who has applied ``linz`` and ``graz``, and a writer of ``graz`` alone."""
    settings = Settings(database_url=SecretStr(as_login(database_url, "tonne_api")))
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        with psycopg.connect(database_url, autocommit=True) as connection:
            admin = Side(client, keys.create(connection, name="admin", scopes=["admin"]))
            for made in (file("linz", SECRET_TOPIC, notify="TONNE_SECRET_LINZ"), file("graz")):
                assert (await admin.put(made)).status_code == 200
            limited = keys.create(
                connection, name="graz", scopes=["read", "write"], facilities=["graz"]
            )
        yield admin, Side(client, limited)


@pytest.fixture
async def sides(database_url: str) -> AsyncIterator[tuple[Side, Side]]:
    async with two_sides(database_url) as made:
        yield made


@pytest.fixture(scope="module")
async def refused_sides(
    postgres_cluster: Postgres, migrated_template: str
) -> AsyncIterator[tuple[Side, Side]]:
    """The same, of one database for all tests of what is refused: they change nothing."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        async with two_sides(url) as made:
            yield made


def grant(database_url: str, kind: grants.Kind, name: str) -> None:
    bind = engine(database_url, process="test")
    with bind.begin() as connection:
        grants.grant(connection, "graz", kind, name, by="user berta")
    bind.dispose()


@pytest.mark.parametrize(
    ("topic", "channel_topic"),
    [
        # of another facility, named in its file
        (SECRET_TOPIC, ""),
        ("plant", "linz-boiler/meters"),
        ("", "plant/linz-boiler/meters"),
        # any of the broker
        ("somebody/else", ""),
        # in the shape of another's own
        ("emissions/linz/x", ""),
        ("emissions/linz-2/x", ""),
        ("emissions/grazer/x", ""),
        ("emissions/graz", ""),
        ("emissions/Graz/x", ""),
        ("emissions//graz/x", ""),
        ("/emissions/graz/x", ""),
        ("emissions/graz-2/x", ""),
        ("emissions", "linz/x"),
    ],
)
async def test_a_topic_that_is_not_the_facilitys_is_refused(
    refused_sides: tuple[Side, Side], topic: str, channel_topic: str
) -> None:
    admin, limited = refused_sides
    answer = await limited.put(file("graz", topic or None, channel_topic=channel_topic))
    assert answer.status_code == 403, answer.text
    detail = answer.json()["detail"]
    assert "does not belong to facility graz" in detail
    assert "`tonne topics grant graz TOPIC`" in detail
    assert "linz-gw" not in detail
    # nothing was changed, and whoever may configure every facility is free
    assert (await admin.get("/v1/facilities")).json()[0]["devices"][0]["id"] == "graz-gw"


async def test_the_answer_is_the_same_whether_another_uses_the_topic_or_not(
    refused_sides: tuple[Side, Side],
) -> None:
    _, limited = refused_sides
    used = (await limited.put(file("graz", SECRET_TOPIC))).json()["detail"]
    unused = (await limited.put(file("graz", "plant/nobody/meters"))).json()["detail"]
    assert used.replace(SECRET_TOPIC, "T") == unused.replace("plant/nobody/meters", "T")


@pytest.mark.parametrize(
    "topic", [">", "*", "#", "+/+", "a\nuser tonne", "$SYS/x", "$JS/API", "plant/>"]
)
async def test_what_a_broker_would_read_otherwise_is_no_topic_for_anybody(
    refused_sides: tuple[Side, Side], topic: str
) -> None:
    for side in refused_sides:
        answer = await side.put(file("graz", topic))
        if "\0" in topic:
            # no text with NUL gets as far as the file
            assert answer.status_code == 400
            continue
        assert answer.status_code == 422, answer.text
        assert "topic" in answer.json()["detail"]


async def test_a_topic_with_nul_is_refused_before_anything_reads_it(
    sides: tuple[Side, Side],
) -> None:
    for side in sides:
        assert (await side.put(file("graz", "a\x00"))).status_code == 400


async def test_topics_of_the_facilitys_own_and_granted_ones_are_taken(
    sides: tuple[Side, Side], database_url: str
) -> None:
    _, limited = sides
    assert (await limited.put(file("graz", "emissions/graz/gw/raw"))).status_code == 200
    grant(database_url, "topic", "plant/graz")
    for topic, status in (
        ("plant/graz", 200),
        ("plant/graz/meters/1", 200),
        ("plant/grazer", 403),
        ("plant", 403),
        ("plant/linz-boiler/meters", 403),
    ):
        assert (await limited.put(file("graz", topic))).status_code == status, topic


async def test_a_topic_that_was_granted_to_both_is_shared(
    sides: tuple[Side, Side], database_url: str
) -> None:
    _, limited = sides
    grant(database_url, "topic", SECRET_TOPIC)
    assert (await limited.put(file("graz", SECRET_TOPIC))).status_code == 200


async def test_what_an_admin_put_into_the_file_stays_with_a_limited_key(
    sides: tuple[Side, Side],
) -> None:
    admin, limited = sides
    shared = file("graz", "site/graz/gw")
    assert (await admin.put(shared)).status_code == 200
    shared["facility"]["name"] = "Graz works"
    assert (await limited.put(shared)).status_code == 200
    shared["devices"][0]["topic"] = "site/graz/gw/more"
    assert (await limited.put(shared)).status_code == 403


async def test_nobody_reads_anothers_messages_through_quarantine(
    sides: tuple[Side, Side], connection: psycopg.Connection[Any]
) -> None:
    _, limited = sides
    assert (await limited.put(file("graz", SECRET_TOPIC))).status_code == 403
    connection.execute(
        "INSERT INTO quarantine (received_at, reason, detail, topic, payload, facility, device)"
        " VALUES (now(), 'malformed_json', '', %s, 'secret', 'linz', 'linz-gw'),"
        " (now(), 'bad_topic', '', %s, 'secret', NULL, NULL)",
        (SECRET_TOPIC, SECRET_TOPIC),
    )
    assert (await limited.get("/v1/quarantine")).json() == []
    assert (await limited.get("/v1/quarantine?facility=linz")).status_code == 404


async def test_a_secret_that_is_not_granted_is_not_to_be_had(
    sides: tuple[Side, Side], database_url: str
) -> None:
    admin, limited = sides
    # of another facility, and one that nobody names
    for name in ("TONNE_SECRET_LINZ", "TONNE_SECRET_NOBODYS"):
        answer = await limited.put(file("graz", notify=name))
        assert answer.status_code == 403
        assert f"`tonne secrets grant graz {name}`" in answer.json()["detail"]
    # no variable of the notifier's for anybody
    for side in sides:
        answer = await side.put(file("graz", notify="TONNE_DATABASE_URL"))
        assert answer.status_code == 422
        assert "rename it to TONNE_SECRET_DATABASE_URL" in answer.json()["detail"]
    grant(database_url, "secret", "TONNE_SECRET_GRAZ")
    assert (await limited.put(file("graz", notify="TONNE_SECRET_GRAZ"))).status_code == 200
    # what an admin applies is granted by that
    assert (await admin.put(file("graz", notify="TONNE_SECRET_NOBODYS"))).status_code == 200
    assert (await limited.put(file("graz", notify="TONNE_SECRET_NOBODYS"))).status_code == 200


async def test_an_admin_key_that_is_limited_is_limited(
    sides: tuple[Side, Side], connection: psycopg.Connection[Any]
) -> None:
    _, limited = sides
    key = keys.create(connection, name="a", scopes=["admin"], facilities=["graz"])
    own = Side(limited._client, key)
    assert (await own.put(file("graz", SECRET_TOPIC))).status_code == 403


async def test_a_bomb_in_a_file_is_answered_at_once(sides: tuple[Side, Side]) -> None:
    _, limited = sides
    bomb = file("graz")
    bomb["devices"][0]["channels"][0]["from"] = "|".join(["[@,@]"] * 50) + "|to_string(@)"
    answer = await limited.put(bomb)
    assert answer.status_code == 422
    assert "costs too much" in answer.json()["detail"]
