"""An OpenID provider of the tests' own: real HTTP, real signatures, and faults on demand."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.integration.api.server import Unsignalled
from tests.patience import PATIENCE_S

CLIENT = "tonne"
SECRET = "a secret: of the client"


class TestProvider:
    """Signs one person in, by a click, as her claims say."""

    __test__ = False

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        #: of the person who signs in
        self.person: dict[str, Any] = {
            "sub": "7f3c",
            "preferred_username": "Anna.Berger",
            "name": "Anna Berger",
            "groups": ["staff", "linz-ops"],
        }
        #: put over the claims of an ID token
        self.token: dict[str, Any] = {}
        self.algorithm = "RS256"
        self.discovery: dict[str, Any] = {}
        #: answer of the page in place of a code
        self.error: str | None = None
        self.asked: list[str] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.rotate()

    def rotate(self) -> None:
        """Sign with new keys from now on; the old ones are published no more."""
        name = f"{time.monotonic_ns()}"
        self.keys: dict[str, Any] = {
            "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ES256": ec.generate_private_key(ec.SECP256R1()),
        }
        self.names = {algorithm: f"{algorithm}-{name}" for algorithm in self.keys}

    def published_keys(self) -> list[dict[str, Any]]:
        public = {alg: key.public_key() for alg, key in self.keys.items()}
        return [
            {
                **RSAAlgorithm.to_jwk(public["RS256"], as_dict=True),
                "kid": self.names["RS256"],
                "use": "sig",
            },
            {**ECAlgorithm.to_jwk(public["ES256"], as_dict=True), "kid": self.names["ES256"]},
        ]

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            **self.person,
            **self.token,
        }
        if self.algorithm == "none":
            return jwt.encode(claims, None, algorithm="none")
        if self.algorithm == "HS256":
            # what a client that believes the header would check with the secret
            return jwt.encode(claims, SECRET.ljust(32), algorithm="HS256")
        headers = {"kid": self.names[self.algorithm]}
        return jwt.encode(claims, self.keys[self.algorithm], self.algorithm, headers=headers)

    def app(self) -> FastAPI:
        """Build the provider's own website."""
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        async def discovery() -> dict[str, Any]:
            self.asked.append("discovery")
            return {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
                **self.discovery,
            }

        @app.get("/keys")
        async def keys() -> dict[str, Any]:
            self.asked.append("keys")
            return {"keys": self.published_keys()}

        @app.get("/authorize")
        async def authorize(request: Request) -> Response:
            way = urlencode(dict(request.query_params))
            return HTMLResponse(
                '<link rel="icon" href="data:,">'
                f'<a id="agree" href="/agree?{html.escape(way)}">I am Anna</a>'
            )

        @app.get("/agree")
        async def agree(request: Request) -> Response:
            asked = dict(request.query_params)
            code = secrets.token_urlsafe(16)
            self.codes[code] = asked
            said = {"error": self.error} if self.error else {"code": code}
            back = urlencode({**said, "state": asked["state"], "iss": self.issuer, "session": "x"})
            return RedirectResponse(f"{asked['redirect_uri']}?{back}", status_code=303)

        @app.post("/token")
        async def token(request: Request) -> Response:
            form = dict(parse_qsl((await request.body()).decode()))
            credentials = base64.b64encode(f"{CLIENT}:a%20secret%3A%20of%20the%20client".encode())
            if request.headers.get("authorization") != f"Basic {credentials.decode()}":
                return JSONResponse({"error": "invalid_client"}, status_code=401)
            asked = self.codes.pop(form["code"], None)
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if asked is None or (asked["code_challenge"], asked["redirect_uri"]) != (
                challenge,
                form["redirect_uri"],
            ):
                return JSONResponse({"error": "invalid_grant"}, status_code=400)
            return JSONResponse({"access_token": "x", "id_token": self.id_token(asked["nonce"])})

        return app


@asynccontextmanager
async def providing() -> AsyncIterator[TestProvider]:
    """Serve a provider on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        provider = TestProvider(f"http://127.0.0.1:{listener.getsockname()[1]}")
        server = Unsignalled(uvicorn.Config(provider.app(), log_config=None, lifespan="off"))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield provider
        finally:
            server.stop()
            async with asyncio.timeout(PATIENCE_S):
                await task
