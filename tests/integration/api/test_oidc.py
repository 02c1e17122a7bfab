"""People sign in at an OpenID provider, with the roles that their groups have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest
from pydantic import SecretStr, ValidationError

from services.api.app import create_app
from services.api.oidc import group_roles
from services.api.oidc.attempt import own_path
from services.api.oidc.group_roles import GroupRolesError, groups_in, parse, roles_of
from services.api.oidc.refusals import REASONS
from services.core.runtime.settings import Settings, SettingsError
from tests.command import tonne
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.oidc_provider import CLIENT, SECRET, TestProvider, providing
from tests.integration.api.server import serving
from tests.integration.api.test_people import FILE, OWN, user
from tests.patience import PATIENCE_S
from tests.services import as_login

Connection = psycopg.Connection[Any]

ROLES = "tonne-admins=admin, linz-ops=operator@linz, staff=viewer@linz+graz"


def with_provider(database_url: str, issuer: str, **more: Any) -> Settings:
    return Settings(
        database_url=SecretStr(as_login(database_url, "tonne_api")),
        oidc_issuer=issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret=SecretStr(SECRET),
        oidc_roles=ROLES,
        **more,
    )


@pytest.fixture
async def provider() -> AsyncIterator[TestProvider]:
    async with providing() as provider:
        yield provider


@pytest.fixture
async def browser(provider: TestProvider, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """What keeps cookies and follows no redirect by itself."""
    app = create_app(with_provider(database_url, provider.issuer, api_sign_ins_per_minute=20))
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        yield client


async def begin(browser: httpx.AsyncClient, next_path: str = "/alerts?facility=linz") -> str:
    """Press the button and agree at the provider; returns where that leads back to."""
    left = await browser.get("/v1/sign-in/oidc", params={"next": next_path})
    assert left.status_code == 303, left.text
    agreed = await browser.get(left.headers["location"].replace("/authorize", "/agree"))
    return str(agreed.headers["location"])


async def sign_in(browser: httpx.AsyncClient) -> str:
    """Sign in; returns where somebody is then."""
    answer = await browser.get(await begin(browser))
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def why(location: str) -> str:
    """Return the reason of a refusal."""
    assert location.startswith("/login?"), location
    return parse_qs(urlsplit(location).query)["refused"][0]


def audited(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT action, made_by, reason FROM audit_entry"
        " WHERE action ~ '^(session|user)' ORDER BY id"
    ).fetchall()


async def test_one_signs_in_by_ones_groups_and_goes_on_where_one_was(
    browser: httpx.AsyncClient,
    provider: TestProvider,
    connection: Connection,
    database_url: str,
) -> None:
    for slug in ("linz", "graz", "wels"):
        apply_text(database_url, FILE.format(id=slug))
    ways = (await browser.get("/v1/sign-in")).json()
    assert ways["provider"] == "Sign in with your organisation"
    assert await sign_in(browser) == "/alerts?facility=linz"
    me = (await browser.get("/v1/me")).json()
    assert (me["name"], me["full_name"], me["local"]) == ("anna.berger", "Anna Berger", False)
    assert me["allowed"] == [
        {"rights": ["operate", "read", "send"], "facilities": ["linz"]},
        {"rights": ["read"], "facilities": ["graz", "linz"]},
    ]
    listed = (await browser.get("/v1/facilities")).json()
    assert [row["id"] for row in listed] == ["graz", "linz"]
    token = browser.cookies["tonne"]
    assert (await browser.post("/v1/sign-out", json={}, headers=OWN)).status_code == 204

    # the next time she is the same person, whatever she is called and groups she has by then
    provider.person |= {"preferred_username": "anna.huber", "groups": ["tonne-admins"]}
    await sign_in(browser)
    assert browser.cookies["tonne"] != token
    assert (await browser.get("/v1/me")).json()["allowed"][0]["facilities"] is None
    assert audited(connection) == [
        ("user.create", "person anna.berger", None),
        ("session.begin", "person anna.berger", None),
        ("session.end", "person anna.berger", None),
        ("session.begin", "person anna.berger", None),
    ]
    # keys and addresses are asked for once
    assert provider.asked == ["discovery", "keys"]
    ends = connection.execute(
        "SELECT max(expires_at - began_at) <= interval '12 hours' FROM person_session"
    ).fetchone()
    assert ends == (True,)
    given = tonne(as_login(database_url, "tonne_admin"), "users", "role", "anna.berger", "viewer")
    assert (given.code, "TONNE_OIDC_ROLES" in given.said) == (1, True)


async def test_what_is_not_this_providers_word_for_this_attempt_is_refused(
    browser: httpx.AsyncClient, provider: TestProvider, connection: Connection
) -> None:
    now_wrong: list[dict[str, Any]] = [
        {"iss": "https://elsewhere.example"},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"azp": "another"},
        {"exp": 1_700_000_000},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": ""},
    ]
    for provider.token in now_wrong:
        assert why(await sign_in(browser)) == "token", provider.token
    provider.token = {}
    for provider.algorithm in ("none", "HS256"):
        assert why(await sign_in(browser)) == "token", provider.algorithm
    assert "tonne" not in browser.cookies
    assert connection.execute("SELECT count(*) FROM person").fetchone() == (0,)
    refused = audited(connection)
    assert len(refused) == len(now_wrong) + 2
    assert "ExpiredSignatureError" in refused[4][2]
    provider.algorithm = "ES256"
    assert await sign_in(browser) == "/alerts?facility=linz"


async def test_new_keys_of_the_provider_are_looked_for(
    browser: httpx.AsyncClient, provider: TestProvider
) -> None:
    await sign_in(browser)
    browser.cookies.clear()
    provider.rotate()
    await sign_in(browser)
    assert (await browser.get("/v1/me")).json()["name"] == "anna.berger"
    assert provider.asked == ["discovery", "keys", "keys"]
    provider.names["RS256"] = "unknown"
    published = provider.published_keys()
    provider.published_keys = lambda: published[1:]  # type: ignore[method-assign]
    assert why(await sign_in(browser)) == "token"


async def test_a_state_and_a_code_are_good_once_and_in_one_browser(
    browser: httpx.AsyncClient, connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    back = await begin(browser)
    attempt = browser.cookies["tonne-attempt"]
    # another browser, which began nothing, or something else
    browser.cookies.clear()
    assert why((await browser.get(back)).headers["location"]) == "expired"
    await begin(browser)
    assert why((await browser.get(back)).headers["location"]) == "expired"
    # the browser itself, and then the code again
    cookie = {"Cookie": f"tonne-attempt={attempt}"}
    browser.cookies.clear()
    assert (await browser.get(back, headers=cookie)).headers["location"].startswith("/alerts")
    again = await browser.get(back, headers=cookie)
    assert why(again.headers["location"]) == "expired"
    assert again.headers["set-cookie"].startswith('tonne-attempt=""')
    logged = capsys.readouterr().out + str(audited(connection))
    code = parse_qs(urlsplit(back).query)["code"][0]
    assert "sign_in_refused" in logged
    for secret in (attempt.partition(".")[0], code, SECRET):
        assert secret not in logged


async def test_who_has_no_group_here_is_told_and_an_administrator_sees_why(
    browser: httpx.AsyncClient, provider: TestProvider, connection: Connection, database_url: str
) -> None:
    provider.person["groups"] = ["kitchen", "garden"]
    assert why(await sign_in(browser)) == "no-role"
    del provider.person["groups"]
    assert why(await sign_in(browser)) == "no-groups"
    provider.error = "access_denied"
    assert why(await sign_in(browser)) == "denied"
    provider.error = "<script>"
    assert why(await sign_in(browser)) == "provider"
    provider.error = None
    provider.person["groups"] = ["staff"]
    await sign_in(browser)
    disabled = tonne(as_login(database_url, "tonne_admin"), "users", "disable", "anna.berger")
    assert disabled.code == 0, disabled.said
    assert (await browser.get("/v1/me")).status_code == 401
    assert why(await sign_in(browser)) == "disabled"
    reasons = [reason for action, _, reason in audited(connection) if action == "session.refuse"]
    assert reasons == [
        "TONNE_OIDC_ROLES has none of the groups; they are kitchen, garden",
        "the ID token has no claim groups that lists groups",
        "the provider answered access_denied",
        "the provider answered error",
        "the account is disabled; `tonne users enable` lets it in",
    ]


async def test_nobody_becomes_a_local_account_by_its_name(
    browser: httpx.AsyncClient, provider: TestProvider, database_url: str
) -> None:
    user(database_url, "anna.berger", "--role", "admin")
    await sign_in(browser)
    name = (await browser.get("/v1/me")).json()["name"]
    assert name.startswith("anna.berger-")
    provider.person |= {"sub": "another", "preferred_username": "\0 Änne\n", "name": "\0Änne"}
    await sign_in(browser)
    me = (await browser.get("/v1/me")).json()
    assert (me["name"], me["full_name"]) == ("nne", "Änne")
    with (
        psycopg.connect(as_login(database_url, "tonne_api")) as api,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        api.execute("INSERT INTO person_role (person_id, role) SELECT id, 'admin' FROM person")


async def test_wrong_attempts_have_a_budget(provider: TestProvider, database_url: str) -> None:
    settings = with_provider(database_url, provider.issuer, api_sign_ins_per_minute=1)
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as browser,
    ):
        for _ in range(2):
            assert await sign_in(browser) == "/alerts?facility=linz"
        provider.token = {"aud": "another"}
        assert [why(await sign_in(browser)) for _ in range(2)] == ["token", "too-many"]


async def test_a_provider_that_is_another_or_unsafe_lets_nobody_in(
    browser: httpx.AsyncClient, provider: TestProvider
) -> None:
    wrong: list[dict[str, Any]] = [
        {"issuer": "https://elsewhere.example"},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
    ]
    for provider.discovery in wrong:
        answer = await browser.get("/v1/sign-in/oidc")
        assert why(answer.headers["location"]) == "provider", provider.discovery
    provider.discovery = {}
    assert await sign_in(browser) == "/alerts?facility=linz"


async def test_an_unreachable_provider_is_told(database_url: str) -> None:
    # nothing listens on the port of `discard`
    settings = with_provider(database_url, "http://127.0.0.1:9")
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        answer = await client.get("/v1/sign-in/oidc")
        assert why(answer.headers["location"]) == "unreachable"
        elsewhere = await client.get("/v1/sign-in/oidc", headers={"Host": "tonne.example.org"})
        assert "TONNE_PUBLIC_URL" in elsewhere.json()["detail"]


@pytest.mark.parametrize(
    "path",
    ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "/\t/x", "x", "",
     "/login?next=/login", "/[", "//[", "/ä", "/" * 1001],
)  # fmt: skip
def test_one_goes_on_at_this_host_alone(path: str) -> None:
    assert own_path(path) in {"/", "/["}
    assert own_path("/alerts?facility=linz") == "/alerts?facility=linz"


def test_groups_give_roles_where_they_hold() -> None:
    mapping = parse(
        "/plant/linz=operator@linz, a=b=operator@graz+wels, chiefs=admin, all=admin@linz"
    )
    assert roles_of(["/plant/linz", "a=b", "unknown"], mapping) == [
        {"role": "operator", "facilities": ["graz", "linz", "wels"]}
    ]
    assert roles_of(["all", "chiefs"], mapping) == [{"role": "admin", "facilities": None}]
    for wrong in ("", "a", "a=chief", "=admin", "a=admin@", "a=admin@linz+", "a=admin@Linz!"):
        with pytest.raises(GroupRolesError, match=r"tonne-admins=admin|is not GROUP|names no"):
            parse(wrong)
    keycloak = {"realm_access": {"roles": ["a"]}, "https://x.example/g": "b"}
    assert groups_in(keycloak, "realm_access.roles") == ["a"]
    assert groups_in(keycloak, "https://x.example/g") == ["b"]
    assert groups_in(keycloak, "groups") is groups_in({"groups": [1]}, "groups") is None


def test_settings_that_cannot_work_are_refused() -> None:
    for issuer in ("http://login.example.org", "login.example.org", "ftp://127.0.0.1"):
        with pytest.raises(ValidationError, match="https://"):
            Settings(oidc_issuer=issuer)
    with pytest.raises(SettingsError, match="TONNE_OIDC_CLIENT_ID"):
        create_app(Settings(oidc_issuer="https://login.example.org"))
    whole: dict[str, Any] = {"oidc_issuer": "https://login.example.org", "oidc_client_id": CLIENT}
    with pytest.raises(SettingsError, match="TONNE_OIDC_ROLES: `a=chief`"):
        create_app(Settings(**whole, oidc_roles="a=chief"))


def test_the_page_has_a_sentence_for_each_refusal() -> None:
    page = Path(group_roles.__file__).parents[1] / "dashboard" / "login.js"
    sentences = page.read_text(encoding="utf-8")
    for reason in REASONS:
        assert f'  "{reason}": t("' in sentences or f'  {reason}: t("' in sentences, reason
