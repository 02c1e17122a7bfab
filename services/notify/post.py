"""POST over HTTP, with bounds on time and size: the server is a stranger's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from importlib.metadata import version

import httpx

from services.core.runtime.clock import Clock
from services.notify.address import Reach
from services.notify.channel import DeliveryError
from services.notify.pinned_transport import AddressRefusedError, PinnedTransport
from services.notify.resolve import Resolver

#: From the look-up of the name to the last byte of the answer.
TOTAL_S = 15.0
_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
#: Bytes read of an answer: an endless one must not fill the memory.
_ANSWER_BYTES = 500
_LONGEST_WAIT_S = 3600.0
#: The message itself is at fault, not the address: 400, 413, 415, 422.
_REFUSED = frozenset({400, 413, 415, 422})


class Poster:
    """Posts to one host. Neither redirects nor proxies of the environment are followed."""

    def __init__(
        self,
        *,
        resolver: Resolver,
        reach: Reach,
        clock: Clock,
        tls: ssl.SSLContext,
        max_at_once: int,
        quote_answers: bool,
    ) -> None:
        """Create the client; ``quote_answers``: errors may quote the receiver's answer."""
        self._clock = clock
        self._quote_answers = quote_answers
        limits = httpx.Limits(max_connections=max_at_once, max_keepalive_connections=max_at_once)
        self._client = httpx.AsyncClient(
            transport=PinnedTransport(
                resolver,
                reach,
                httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits),
            ),
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            # a small compressed answer could unfold into a large one
            headers={"user-agent": f"tonne/{version('tonne')}", "accept-encoding": "identity"},
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Return when the receiver has answered 2xx.

        :raises DeliveryError: it did not.
        """
        try:
            async with asyncio.timeout(TOTAL_S):
                await self._post(url, body, headers)
        except TimeoutError:
            raise DeliveryError(f"no answer within {TOTAL_S:g} s") from None
        except AddressRefusedError as error:
            raise DeliveryError(
                f"{error}; set TONNE_WEBHOOK_PRIVATE=allow if it is yours"
            ) from None
        except httpx.TimeoutException as error:
            raise DeliveryError(f"no answer in time ({type(error).__name__})") from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise DeliveryError(f"{type(error).__name__}: {error}") from None

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        async with self._client.stream(
            "POST", url, content=body, headers={"content-type": "application/json", **headers}
        ) as response:
            if response.is_success:
                return
            if response.is_redirect:
                raise DeliveryError(
                    f"the receiver answered {response.status_code}; redirects are not followed,"
                    " name the final address"
                )
            raise DeliveryError(
                f"the receiver answered {response.status_code}{await self._quoted(response)}",
                only_this=response.status_code in _REFUSED,
                wait_s=self._wait_s(response),
            )

    async def _quoted(self, response: httpx.Response) -> str:
        if not self._quote_answers:
            return ""
        read = b""
        async for piece in response.aiter_raw():
            read += piece
            if len(read) >= _ANSWER_BYTES:
                break
        text = " ".join(read[:_ANSWER_BYTES].decode(errors="replace").split())
        return f": {text}" if text else ""

    def _wait_s(self, response: httpx.Response) -> float | None:
        """Read ``Retry-After``, seconds or a date; None: missing or unreadable."""
        text = response.headers.get("retry-after")
        if text is None:
            return None
        try:
            wait_s = float(text)
        except ValueError:
            try:
                wait_s = (parsedate_to_datetime(text) - self._clock.now()).total_seconds()
            except (ValueError, TypeError):
                return None
        return min(max(wait_s, 0.0), _LONGEST_WAIT_S)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
