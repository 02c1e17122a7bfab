"""Whatever its passwords hold and whatever fails: no process says a part of them anywhere."""

from __future__ import annotations

from urllib.parse import quote

import psycopg
import pytest

from services.core.runtime.credentials import ADVICE
from tests.integration.every_process import SERVICES, run
from tests.services import free_port

pytestmark = [pytest.mark.database, pytest.mark.timeout(300)]

PIECES = ("Zq7", "xK9", "Wv4")
ODD = ["Zq7/xK9@Wv4", "Zq7%xK9 #Wv4"]

SOME = [*SERVICES, "migrate", "keys list"]


def clean(text: str) -> None:
    assert not [piece for piece in PIECES if piece in text], text


@pytest.mark.parametrize("password", ODD)
def test_a_url_that_cannot_be_read_is_refused_by_all_alike(password: str) -> None:
    url = f"postgresql://tonne:{password}@127.0.0.1:{free_port()}/tonne"
    for ended in run(SOME, environment={"TONNE_DATABASE_URL": url}):
        clean(ended.said)
        assert ended.code == 1, ended
        assert f"TONNE_DATABASE_URL {ADVICE}" in ended.said, ended
        assert "Traceback" not in ended.said


@pytest.mark.parametrize("password", ODD)
@pytest.mark.parametrize("encoded", [True, False])
@pytest.mark.parametrize("scheme", ["mqtt", "nats"])
def test_nothing_of_a_broker_or_a_mail_server_is_said(
    database_url: str, password: str, encoded: bool, scheme: str
) -> None:
    said = quote(password, safe="") if encoded else password
    environment = {
        "TONNE_DATABASE_URL": database_url.replace(
            "//tonne@", f"//tonne:{quote(password, safe='')}@"
        ),
        "TONNE_MQTT_URL": f"{scheme}://plant:{said}@127.0.0.1:{free_port()}",
        "TONNE_SMTP_URL": f"smtp://plant:{said}@127.0.0.1:{free_port()}",
        "TONNE_LOG_LEVEL": "debug",
    }
    for ended in run(["ingest", "notify"], environment=environment, lines=1):
        clean(ended.said)
        assert ended.said
    with psycopg.connect(database_url) as connection:
        # what /readyz and the commands show
        for table in ("process_progress", "set_aside", "outbox"):
            clean(str(connection.execute(f"TABLE {table}".encode()).fetchall()))


def test_a_database_that_is_away_is_not_said_with_its_password() -> None:
    (password, *_) = ODD
    url = f"postgresql://tonne:{quote(password, safe='')}@127.0.0.1:{free_port()}/tonne"
    environment = {"TONNE_DATABASE_URL": url, "TONNE_LOG_LEVEL": "debug"}
    for ended in run(SOME, environment=environment, lines=1):
        clean(ended.said)
        assert ended.said
