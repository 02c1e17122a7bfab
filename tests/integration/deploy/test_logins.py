"""Each process logs in to the database as itself, and reaches no further, whatever is injected."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from deploy.local import postgres_server
from services.core.runtime.settings import load
from services.core.store.database.connect import connect
from services.core.store.schema import logins
from services.core.store.schema.ddl import LOGINS
from services.core.store.schema.migrate import plan, upgrade
from services.core.store.schema.preconditions import MigrationError
from tests.asking_postgres import AskingPostgres
from tests.integration.every_process import Ended, run
from tests.patience import PATIENCE_S
from tests.services import free_port, server_directory

pytestmark = [pytest.mark.database, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def asking() -> Iterator[AskingPostgres]:
    with server_directory(for_postgres=True) as directory:
        server = AskingPostgres(directory)
        server.start()
        server.execute("CREATE DATABASE tonne")
        upgrade(server.url_of("tonne"), logins_directory=server.logins)
        yield server
        server.stop()


def test_passwords_are_made_once_and_for_their_owner_alone(asking: AskingPostgres) -> None:
    before = {role: logins.password_of(asking.logins, role) for role in LOGINS}
    upgrade(asking.url_of("tonne"), logins_directory=asking.logins)
    assert {role: logins.password_of(asking.logins, role) for role in LOGINS} == before
    assert len(set(before.values())) == len(LOGINS)
    # 192 bits in base64
    assert {len(password or "") for password in before.values()} == {32}
    for role in LOGINS:
        file = logins.password_file(asking.logins, role)
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700


def test_nobody_logs_in_without_the_password(asking: AskingPostgres) -> None:
    for login in (*LOGINS, postgres_server.SUPERUSER, "postgres"):
        for password in ("", "wrong", login):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(
                    f"postgresql://{login}@127.0.0.1:{asking.port}/tonne",
                    password=password,
                    passfile="/dev/null",
                )


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("begin", ["", "RESET ROLE", "SET SESSION AUTHORIZATION DEFAULT"])
def test_no_login_reaches_further_than_its_rights(
    asking: AskingPostgres, login: str, begin: str
) -> None:
    forbidden = [
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/tmp/tonne-was-here'",
        "SELECT pg_read_file('/etc/passwd')",
        "SET ROLE tonne",
        "CREATE ROLE intruder SUPERUSER LOGIN",
        f"ALTER ROLE {login} SUPERUSER",
        "CREATE TABLE mine (a int)",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "UPDATE reading SET value = 0",
        "DELETE FROM reading",
        "UPDATE emission_hour_history SET co2_ug = 0",
        "DELETE FROM emission_hour",
        "DELETE FROM emission_hour_history",
        "DELETE FROM emission_day",
        "DELETE FROM emission_month",
        "UPDATE reading_correction SET note = ''",
        "UPDATE alembic_version SET version_num = ''",
        "SELECT rolpassword FROM pg_authid",
        "SELECT * FROM pg_stat_file('/')",
        "TRUNCATE facility CASCADE",
        "DROP TABLE emission_hour_history",
        "ALTER TABLE emission_hour_history OWNER TO CURRENT_USER",
        "DROP VIEW minute_in_force",
        "CREATE OR REPLACE FUNCTION drop_readings(text) RETURNS void LANGUAGE sql AS ''",
    ]
    forbidden += [f"SET ROLE {role}" for role in LOGINS if role != login]
    forbidden += [f"ALTER ROLE {role} PASSWORD 'mine'" for role in LOGINS if role != login]
    forbidden += [
        statement
        for statement, allowed in {
            "INSERT INTO reading SELECT * FROM reading": {"tonne_ingest"},
            "INSERT INTO emission_hour_history SELECT * FROM emission_hour_history": {
                "tonne_aggregate"
            },
            "INSERT INTO emission_day (source_id) SELECT source_id FROM emission_day": {
                "tonne_aggregate"
            },
            "UPDATE emission_month SET co2_ug = 0": {"tonne_aggregate"},
            "SELECT remove_sums('{}', '{}')": {"tonne_aggregate"},
            "UPDATE emission_minute SET co2_ug = 0": {"tonne_aggregate"},
            "SELECT drop_readings('')": {"tonne_aggregate"},
            "SELECT redate_hours('{}')": {"tonne_aggregate"},
            "SELECT discard_readings(1, now(), now(), 1, '', '')": {"tonne_admin"},
            "SELECT correct_reading(1, now(), 0, 0::int2, 0::int2, now(), '', '', 1)": {
                "tonne_ingest"
            },
            "SELECT amend_reading(1, now(), 0, 0::int2, false, 0, 0::int2, '', '')": {
                "tonne_ingest",
                "tonne_admin",
            },
            "SELECT digest FROM api_key": {"tonne_api", "tonne_admin"},
            "INSERT INTO api_key (name, digest, scopes) VALUES ('a', '', '{}')": {"tonne_admin"},
            "UPDATE api_key SET revoked_at = NULL": {"tonne_admin"},
            "SELECT client_id FROM broker_session": {"tonne_ingest"},
            "UPDATE facility SET name = ''": {"tonne_api", "tonne_admin"},
            "INSERT INTO facility_grant DEFAULT VALUES": {"tonne_api", "tonne_admin"},
            "INSERT INTO threshold_revision DEFAULT VALUES": {"tonne_api", "tonne_admin"},
            "DELETE FROM quarantine": {"tonne_ingest"},
            "DELETE FROM outbox": {"tonne_notify"},
        }.items()
        if login not in allowed
    ]
    with psycopg.connect(asking.url_as(login, "tonne"), autocommit=True) as connection:
        if begin:
            connection.execute(begin.encode())
        for statement in forbidden:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
        connection.execute("SELECT count(*) FROM facility")


#: Functions that run as the database's owner, by who may call them; a new one has to stand here.
_AS_OWNER = {
    "tonne_ingest": {
        "add_packed_readings", "amend_reading", "correct_reading", "discard_activity",
        "supersede_reading", "unpack_readings",
    },
    "tonne_aggregate": {
        "add_packed_minutes", "drop_readings", "free_empty_chunks", "pack_hours", "pack_minutes",
        "pack_readings", "redate_hours", "remove_sums", "replace_hours", "replace_minutes",
        "take_packed_readings", "take_readings", "unpack_hours", "unpack_minutes",
        "unpack_readings",
    },
    "tonne_admin": {
        "amend_reading", "discard_activity", "discard_readings", "note_archive",
        "remove_archived", "restore_archived", "unpack_readings",
    },
}  # fmt: skip
#: They tell how far a clock has jumped.
_OF_ALL = {"believed_jump", "clock_is_reported"}


def test_what_runs_as_the_owner_is_for_those_who_need_it(asking: AskingPostgres) -> None:
    with psycopg.connect(asking.url_as("tonne_admin", "tonne")) as connection:
        functions = connection.execute(
            "SELECT oid, proname, proconfig FROM pg_proc"
            " WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        ).fetchall()
        for login in LOGINS:
            may = {
                name
                for oid, name, _ in functions
                if connection.execute(
                    "SELECT has_function_privilege(%s, %s::oid, 'EXECUTE')", (login, oid)
                ).fetchone()
                == (True,)
            }
            assert may == _AS_OWNER.get(login, set()) | _OF_ALL, login
        # no table or function of a session's own comes before those that are meant
        for _, name, settings in functions:
            assert settings == ["search_path=public, pg_temp"], name


def test_every_process_works_by_its_own_login(asking: AskingPostgres, tmp_path: Path) -> None:
    file = tmp_path / "works.yaml"
    file.write_text(
        "facility: {id: works, name: Works, timezone: UTC}\n"
        "devices: [{id: m, channels: [{id: e, quantity: energy, unit: kWh, kind: counter}]}]\n"
        "factors: [{id: f, unit: kWh, co2_kg: 0.5, citation: a}]\n"
        "sources: [{id: grid, scope: 2, method: activity, input: m.e, factor: f}]\n"
    )

    port = free_port()

    def by(login: str, *commands: str, enough: Callable[[], bool] | None = None) -> list[Ended]:
        environment = {
            "TONNE_DATABASE_URL": asking.url_as(login, "tonne"), "TONNE_API_AUTH": "off",
            "TONNE_API_PORT": str(port),
        }  # fmt: skip
        ended = run(commands, environment=environment, enough=enough)
        for each in ended:
            assert each.code == (None if enough else 0), each
        return ended

    for login in ("tonne_admin", "tonne_api"):
        file.write_text(file.read_text().replace("co2_kg: 0.5", f"co2_kg: 0.{len(login)}"))
        by(login, f"apply {file}")
    by(
        "tonne_admin",
        "keys create --scope read grafana",
        "keys list",
        "quarantine list",
        "alerts waiting",
        "factors list",
    )
    by("tonne_aggregate", "verify")  # fmt: skip
    for login, command, at_work in (
        ("tonne_ingest", "ingest", lambda: _has_worked_on(asking, "ingest")),
        ("tonne_aggregate", "aggregate", lambda: _has_worked_on(asking, "aggregator")),
        ("tonne_notify", "notify", lambda: _has_worked_on(asking, "notify")),
        ("tonne_api", "api", lambda: _answers(port)),
    ):
        (ended,) = by(login, command, enough=at_work)
        assert "permission denied" not in ended.said
        assert "Traceback" not in ended.said


def _has_worked_on(asking: AskingPostgres, process: str) -> bool:
    """Whether the process has done each of its rounds a few times."""
    with psycopg.connect(asking.url_of("tonne")) as connection:
        row = connection.execute(
            "SELECT count(*) FROM process_progress"
            " WHERE process = %s AND progressed_at > started_at + interval '4 seconds'",
            (process,),
        ).fetchone()
    return row is not None and row[0] == 1


def _answers(port: int) -> bool:
    """Whether the API answers from the database."""
    try:
        found = httpx.get(f"http://127.0.0.1:{port}/v1/facilities", timeout=PATIENCE_S)
    except httpx.TransportError:
        return False
    assert found.status_code == 200, found.text
    return [each["id"] for each in found.json()] == ["works"]


@pytest.fixture(scope="module")
def rented() -> Iterator[AskingPostgres]:
    """A server of somebody else, where tonne has a database and may create roles, and no more."""
    with server_directory(for_postgres=True) as directory:
        server = AskingPostgres(directory)
        server.start()
        server.execute("CREATE ROLE renter LOGIN CREATEROLE PASSWORD 'rent'")
        server.execute("CREATE ROLE guest LOGIN PASSWORD 'rent'")
        yield server
        server.stop()


def _rent(rented: AskingPostgres, database: str, owner: str) -> str:
    rented.execute(f"CREATE DATABASE {database} OWNER {owner}")
    return f"postgresql://{owner}:rent@127.0.0.1:{rented.port}/{database}"


def test_an_owner_who_is_no_superuser_migrates(rented: AskingPostgres) -> None:
    url = _rent(rented, "tonne", "renter")
    for _ in range(2):
        upgrade(url, logins_directory=rented.logins)
    for login in LOGINS:
        with psycopg.connect(rented.url_as(login, "tonne")) as connection:
            connection.execute("SELECT count(*) FROM facility")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("UPDATE emission_hour_history SET co2_ug = 0")
    # one login for all, which gives up what it does not need
    with connect(url, process="ingest", role="tonne_ingest") as connection:
        connection.execute("SELECT count(*) FROM reading")


def test_an_owner_who_may_not_create_roles_is_told_so(rented: AskingPostgres) -> None:
    url = _rent(rented, "other", "guest")
    with pytest.raises(MigrationError, match=r"may not do what .*be allowed to create roles"):
        upgrade(url, logins_directory=rented.logins)


def test_another_user_of_the_machine_runs_nothing_as_the_database(asking: AskingPostgres) -> None:
    url = urlsplit(asking.url)
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env",
         f"PGPASSFILE={logins.password_file(asking.logins, postgres_server.SUPERUSER)}",
         str(asking._programs.program("psql")), "-w", "-h", "127.0.0.1", "-p", str(url.port),
         "-U", postgres_server.SUPERUSER, "-d", "postgres", "-c",
         "COPY (SELECT 1) TO PROGRAM 'true'"],
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip
    if "setpriv" in done.stderr:
        pytest.skip("becoming another user takes root")
    assert done.returncode != 0
    assert "password" in done.stderr


def test_who_administers_verifies_by_the_login_of_who_computes(
    asking: AskingPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose password lies beside that of who administers, as the migration writes them."""
    monkeypatch.setenv("TONNE_DATABASE_URL", asking.url_as("tonne_admin", "tonne"))
    for command, login in {
        "verify": "tonne_aggregate",
        "import": "tonne_ingest",
        "backup": "tonne_backup",
        "admin": "tonne_admin",
    }.items():
        with psycopg.connect(load().of_process(command).database) as connection:
            (row,) = connection.execute("SELECT session_user").fetchall()
        assert row == (login,)


def test_who_administers_asks_what_a_migration_would_do(asking: AskingPostgres) -> None:
    """Also which processes it would leave behind: they are other logins'."""
    owner, admin = asking.url_of("tonne"), asking.url_as("tonne_admin", "tonne")
    with psycopg.connect(owner, autocommit=True) as connection:
        (newest,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ()
        connection.execute("UPDATE alembic_version SET version_num = '0095'")
        try:
            ingest = asking.url_as("tonne_ingest", "tonne")
            with psycopg.connect(ingest, application_name="tonne.ingest"):
                asked = plan(admin)
        finally:
            connection.execute("UPDATE alembic_version SET version_num = %s", (newest,))
    assert not asked.older_go_on
    (process,) = asked.left_behind
    assert process.startswith("tonne.ingest of a version that it does not report")
