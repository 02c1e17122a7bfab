"""No part of a password is said, whatever it holds and whichever way its URL takes to a message."""

from __future__ import annotations

import contextlib
import io
import logging as standard_logging
import sys
import threading
from collections.abc import Callable, Iterator
from urllib.parse import quote

import psycopg
import pytest
import structlog
import typer
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from deploy.local.problem import StackError
from deploy.local.stack import main as stack_main
from sensors_sim.broker import parse_broker
from services.cli.errors import clear_errors
from services.core.facility.model import Notify
from services.core.runtime import broker_url, logging
from services.core.runtime.credentials import all_without_credentials, unclear, without_credentials
from services.core.runtime.storable import storable_state
from services.core.store.database.connect import check_url, connect
from services.notify import smtp_url

PIECES = ("Zq7", "xK9", "Wv4", "Jb2")
_ODD = "/@#%?:&= \t'\"\\[]{}<>|^~`!$*()+,;äß\uff20\uff0fé"

passwords = st.lists(st.text(_ODD, min_size=1, max_size=3), min_size=3, max_size=3).map(
    lambda odd: "".join(piece + more for piece, more in zip(PIECES, [*odd, ""], strict=True))
)
#: as people write them, and as they should
written = st.tuples(passwords, st.booleans()).map(
    lambda given: quote(given[0], safe="") if given[1] else given[0]
)


@pytest.fixture(autouse=True)
def _hooks_of_their_own() -> Iterator[None]:
    kept = sys.excepthook, threading.excepthook
    last = standard_logging.lastResort
    assert last is not None
    formatter = last.formatter
    yield
    sys.excepthook, threading.excepthook = kept
    last.setFormatter(formatter)
    structlog.reset_defaults()


def clean(text: str) -> None:
    for piece in PIECES:
        assert piece not in text, text


def said_by(action: Callable[[], object]) -> str:
    """What an action writes, and the message of the error that it ends with."""
    out = io.StringIO()
    with contextlib.redirect_stderr(out), contextlib.redirect_stdout(out):
        try:
            action()
        except (typer.Exit, SystemExit):
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, its text is looked at
            out.write(f"{error} {error.__cause__ or ''} {error!r}")
    return out.getvalue()


@given(written)
def test_what_takes_a_url_apart_says_nothing_of_it(password: str) -> None:
    clean(said_by(lambda: broker_url.parse(f"mqtt://plant:{password}@127.0.0.1:1")))
    clean(said_by(lambda: broker_url.parse(f"nats://plant:{password}@127.0.0.1:port")))
    clean(said_by(lambda: broker_url.parse(f"plant:{password}@127.0.0.1")))
    clean(said_by(lambda: smtp_url.parse(f"smtp://plant:{password}@127.0.0.1:1")))
    clean(said_by(lambda: smtp_url.parse(f"smtp://plant:{password.replace('@', '')}")))
    clean(said_by(lambda: parse_broker(f"mqtt://plant:{password}@127.0.0.1:1")))
    clean(said_by(lambda: parse_broker(f"mqtt://plant:{password.replace('@', '')}")))
    clean(said_by(lambda: check_url(f"postgresql://plant:{password}@127.0.0.1/tonne")))
    clean(said_by(lambda: check_url(f"host=127.0.0.1 password={password}")))


@given(written)
def test_a_command_says_nothing_of_its_database(password: str) -> None:
    def command(url: str) -> None:
        with clear_errors():
            connect(url, process="admin")

    for url in (
        f"postgresql://plant:{password}@127.0.0.1:1/tonne",
        f"postgresql://plant:{password}@/tonne?host=/nowhere",
        f"postgresql://plant@127.0.0.1:1/tonne?password={password}",
        # with an @ in it, what follows that is the host
        f"postgresql://plant:{password.replace('@', '')}",
    ):
        text = said_by(lambda url=url: command(url))  # type: ignore[misc]
        assert text.startswith("tonne: "), text
        assert not any(piece in text for piece in PIECES), (url, text)


@given(written)
def test_a_facility_file_is_not_said_back(password: str) -> None:
    def check() -> None:
        TypeAdapter(Notify).validate_python({"webhook": f"https://plant:{password}@example.org/a"})

    try:
        check()
    except ValidationError as error:
        clean(" ".join(each["msg"] for each in error.errors()))


@given(written, st.sampled_from(["console", "json"]))
def test_nothing_of_a_url_reaches_a_log(password: str, style: str) -> None:
    url = f"mqtt://plant:{password}@broker.example:1883"
    text = f"cannot reach {url}: refused"

    def log() -> None:
        structlog.reset_defaults()
        logging.configure(process="ingest", level="info", style=style)  # type: ignore[arg-type]
        say = structlog.get_logger()
        say.info(text, reason=text, error=OSError(text), parts=[{"a": (text,)}], raw=text.encode())
        say.error("it failed", exc_info=OSError(text))

    clean(said_by(log))


@given(written)
def test_nothing_of_a_url_reaches_stderr_by_another_way(password: str) -> None:
    text = f"cannot reach postgresql://plant:{password}@database.example/tonne: refused"

    def fail() -> None:
        raise OSError(text)

    def speak() -> None:
        logging.configure(process="api", level="info", style="json")
        standard_logging.getLogger("some.library").warning("%s", text)
        try:
            fail()
        except OSError:
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
            standard_logging.getLogger("some.library").exception("failed")
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()

    found = said_by(speak)
    assert found.count("OSError") >= 3
    clean(found)


@given(written)
def test_nothing_of_a_url_reaches_what_is_reported(password: str) -> None:
    text = f"cannot reach smtp://plant:{password}@mail.example:587, password={password}"
    state = {"broker": text, "notices": [{"detail": text, text: 1}]}
    clean(str(storable_state(all_without_credentials(state))))


@given(passwords)
def test_a_password_as_it_should_be_written_is_taken(password: str) -> None:
    url = f"plant:{quote(password, safe='')}@127.0.0.1:1883"
    assert not unclear(f"mqtt://{url}")
    assert broker_url.parse(f"mqtt://{url}").password == password
    assert smtp_url.parse(f"smtp://{url}").password == password
    assert parse_broker(f"mqtt://{url}").password == password
    found = psycopg.conninfo.conninfo_to_dict(f"postgresql://{url}/tonne")
    assert found["password"] == password


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://tonne@127.0.0.1:5433/tonne?passfile=%2Fa%20b%2Fpgpass",
        "postgresql:///tonne?host=/run/postgresql",
        "postgresql://a,b:5433,[::1]:5434/tonne",
        "mqtt://127.0.0.1:1883",
        "wss://plant:pw@broker.example/mqtt",
        "nats://plant:p^w~!$&'()*+,;=@b:4222",
    ],
)
def test_an_address_that_can_be_read_in_one_way_is_taken(url: str) -> None:
    assert not unclear(url)


def test_what_is_no_credential_stays() -> None:
    text = "password authentication failed at 127.0.0.1:5433; see https://example.org/a"
    assert without_credentials(text) == text
    assert without_credentials("mqtt://a:b@c:1883 is away") == "mqtt://***@c:1883 is away"


def test_the_local_stack_says_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise StackError("postgresql://tonne:Zq7xK9@127.0.0.1/tonne does not answer")

    monkeypatch.setattr("deploy.local.stack.find_places", refuse)
    monkeypatch.setattr(sys, "argv", ["stack", "status"])
    text = said_by(stack_main)
    assert "***@127.0.0.1" in text
    clean(text)
