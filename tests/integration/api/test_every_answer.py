"""What holds for every call, page and file: no unbounded body, and what browsers may do with it."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import trustme
from starlette.routing import Route

from deploy.reference.bounds import ANSWERS, answer_bound
from services.api.app import create_app
from services.api.http.middleware import brings_readings
from services.api.server_tls import ServerTlsError, tls_context
from services.api.serving import server_config
from services.core.runtime.settings import Settings
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S

#: No test asks the database for anything.
NOWHERE = "postgresql://tonne@127.0.0.1:1/tonne"
BODY, READINGS = 2048, 20_000


def settings(**given: Any) -> Settings:
    return Settings(database_url=NOWHERE, **given)  # type: ignore[arg-type]


def routes(of: Any) -> Iterator[Route]:
    """Those of an app or router, and of the routers that it includes."""
    for route in of.routes:
        if isinstance(route, Route):
            yield route
        else:
            yield from routes(route.original_router)


def calls() -> Iterator[tuple[str, str]]:
    """Every method of every route of the app, pages and files too."""
    for route in routes(create_app(settings())):
        path = re.sub(r"\{[a-z_]+(:path)?\}", "1", route.path)
        yield from ((method, path) for method in sorted(route.methods or ()))


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings(api_auth="off", api_body_bytes=BODY, readings_body_bytes=READINGS))
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as made,
    ):
        yield made


async def test_no_call_takes_a_body_without_a_bound(client: httpx.AsyncClient) -> None:
    """Announced or in pieces of no announced end, and of every route there is."""
    asked = list(calls())
    assert len(asked) > 100

    async def pieces(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b" " * 1000

    for method, path in asked:
        is_large = brings_readings({"method": method, "path": path})
        limit = READINGS if is_large else BODY
        headers = {"Content-Type": "application/json", "X-Tonne-Request": "1"}
        announced = await client.request(method, path, content=b" " * (limit + 1), headers=headers)
        assert announced.status_code == 413, (method, path)
        if method in {"POST", "PUT"}:
            within = await client.request(method, path, content=b" " * 10, headers=headers)
            assert within.status_code != 413, (method, path)
            sent = await client.request(
                method, path, content=pieces(limit // 1000 + 2), headers=headers
            )
            assert sent.status_code == 413, (method, path)


def test_every_call_says_what_bounds_its_answer() -> None:
    specification = create_app(settings()).openapi()
    there = {
        f"{method.upper()} {path}"
        for path, methods in specification["paths"].items()
        for method in methods
    }
    assert ANSWERS.keys() <= there
    for path, methods in specification["paths"].items():
        for method, call in methods.items():
            assert answer_bound(method.upper(), path, call)


async def test_every_answer_says_what_browsers_may_do_with_it(client: httpx.AsyncClient) -> None:
    unknown = [("GET", "/nothing"), ("GET", "/docs/nothing"), ("GET", "/assets/nothing")]
    paths = ("/docs/index.html", "/docs/reference/http-api.html", "/assets/common.css")
    for method, path in [*calls(), *unknown, *(("GET", path) for path in paths)]:
        if method == "HEAD" or path == "/v1/stream":
            continue
        answer = await client.request(method, path)
        headers = answer.headers
        where = method, path, answer.status_code
        policy = headers["content-security-policy"]
        default = re.match(r"default-src ('none'|'self');", policy)
        assert default is not None, where
        scripts = re.search(r"script-src ([^;]*)", policy)
        # no inline script but those that a page of the documentation is built with, by their hash
        assert "'unsafe-inline'" not in (scripts.group(1) if scripts else default.group()), where
        assert "'unsafe-eval'" not in policy, where
        assert re.search(r"frame-ancestors '(none|self)'", policy), where
        assert headers["x-frame-options"] in {"DENY", "SAMEORIGIN"}, where
        assert headers["referrer-policy"] == "no-referrer", where
        assert headers["x-content-type-options"] == "nosniff", where
        assert headers["cross-origin-resource-policy"] == "same-origin", where
        assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"]), where
        # without TLS it would be ignored, and behind a proxy it is the proxy's to say
        assert "strict-transport-security" not in headers, where


async def test_a_request_that_never_became_one_is_answered_alike() -> None:
    async with serving(create_app(settings())) as address:
        host, port = address.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"no request\r\n\r\n")
        head = (await reader.read()).lower()
        writer.close()
    assert b" 400 " in head
    assert b"content-security-policy: default-src 'none'" in head
    assert b"x-frame-options: deny" in head


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("call-17:a.b_c", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("", False),
        ("a b", False),
        ('x","level":"forged', False),
        ("-x", False),
        ("\xe9", False),
    ],
)
async def test_a_request_has_an_id(client: httpx.AsyncClient, sent: str, taken: bool) -> None:
    """The caller's own where it can be written into a log, in the answer, the problem, the log."""
    with structlog.testing.capture_logs(
        processors=[structlog.contextvars.merge_contextvars]
    ) as lines:
        answer = await client.get("/v1/nothing", headers={b"X-Request-ID": sent.encode("latin-1")})
    name = answer.headers["x-request-id"]
    assert (name == sent) is taken
    assert answer.json()["request_id"] == name
    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["request"], line["status"], line["path"]) == (name, 404, "/v1/nothing")
    assert "?" not in line["path"]


@pytest.mark.parametrize(
    ("access", "logged"),
    [("changes", ["POST /v1/sign-out", "GET /v1/x"]), ("off", []),
     ("all", ["GET /v1/schema/facility", "POST /v1/sign-out", "GET /v1/x"])],
)  # fmt: skip
async def test_what_is_logged_of_requests(access: Any, logged: list[str]) -> None:
    app = create_app(settings(api_auth="off", api_access_log=access))
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        with structlog.testing.capture_logs() as lines:
            await client.get("/healthz")
            await client.get("/v1/schema/facility")
            await client.post("/v1/sign-out", headers={"X-Tonne-Request": "1"})
            await client.get("/v1/x")
    said = [f"{line['method']} {line['path']}" for line in lines if line["event"] == "request"]
    assert said == logged


class Files:
    """A certificate of the API that is renewed, and who trusts it."""

    def __init__(self, directory: Path) -> None:
        self.authority = trustme.CA()
        self.cert, self.key = directory / "cert.pem", directory / "key.pem"
        self.trust = ssl.create_default_context()
        self.authority.configure_trust(self.trust)
        self.renew()

    def renew(self, name: str = "tonne.example") -> None:
        issued = self.authority.issue_cert(name, "127.0.0.1", "localhost")
        self.cert.write_bytes(issued.cert_chain_pems[0].bytes())
        self.key.write_bytes(issued.private_key_pem.bytes())

    def settings(self, **given: Any) -> Settings:
        return settings(api_auth="off", api_tls_cert=self.cert, api_tls_key=self.key, **given)


async def test_the_api_speaks_https_and_takes_a_renewed_certificate(tmp_path: Path) -> None:
    files = Files(tmp_path)
    made = files.settings()
    async with serving(create_app(made), tls_context(made)) as address:
        port = int(address.rsplit(":", 1)[1])

        async def names() -> set[str]:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=files.trust)
            shown = writer.get_extra_info("ssl_object").getpeercert()
            writer.close()
            await writer.wait_closed()
            return {name for _, name in shown["subjectAltName"]}

        async with httpx.AsyncClient(
            base_url=address, verify=files.trust, timeout=PATIENCE_S
        ) as client:
            answer = await client.get("/healthz", headers={"Host": "localhost"})
            assert answer.json() == {"status": "ok"}
            # more than goes into one write, through the limits on what is left unread
            large = await client.get("/v1/openapi.json")
            assert large.json()["info"]["title"] == "tonne"
            # other programs of this machine are at that name, too
            assert "strict-transport-security" not in answer.headers
            away = await client.get("/healthz", headers={"Host": "tonne.example"})
            assert away.headers["strict-transport-security"] == "max-age=31536000"
        assert "tonne.example" in await names()
        files.renew("renewed.example")
        assert "renewed.example" in await names()
        with pytest.raises(httpx.RemoteProtocolError):
            async with httpx.AsyncClient(timeout=PATIENCE_S) as plain:
                await plain.get(f"http://127.0.0.1:{port}/healthz")
        old = ssl.create_default_context()
        files.authority.configure_trust(old)
        old.minimum_version = ssl.TLSVersion.TLSv1_2
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=old)
        writer.close()


async def test_behind_a_proxy_with_tls_browsers_are_told_to_keep_to_it() -> None:
    app = create_app(settings(api_trusted_proxies="127.0.0.1"))
    headers = {"X-Forwarded-Proto": "https", "Host": "tonne.example"}
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        answer = await client.get("/healthz", headers=headers)
    assert "strict-transport-security" in answer.headers


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"api_tls_cert": "cert.pem"}, "belong together"),
        ({"api_tls_key": "key.pem"}, "belong together"),
        ({"api_tls_cert": "missing", "api_tls_key": "key.pem"}, "cannot be used"),
        ({"api_tls_cert": "cert.pem", "api_tls_key": "cert.pem"}, "cannot be used"),
    ],
)
def test_files_of_tls_that_cannot_be_used_are_named(
    tmp_path: Path, given: dict[str, str], complaint: str
) -> None:
    Files(tmp_path)
    with pytest.raises(ServerTlsError, match=complaint):
        tls_context(settings(**{name: tmp_path / file for name, file in given.items()}))


def test_without_files_there_is_no_tls() -> None:
    made = settings()
    assert tls_context(made) is None
    assert server_config(create_app(made), made).ssl is None
