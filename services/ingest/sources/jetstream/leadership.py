"""Whether the server that leads a consumer has what its stream has, and another one in its place.

In a cluster a server whose copy of the stream does not catch up may lead the consumer all the same
(nats-server, issue 5412). It delivers nothing then, and says that nothing waits.
"""

from __future__ import annotations

import json
from typing import Final

import structlog
from nats.aio.client import Client
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import ConsumerInfo, StreamInfo

_log: Final = structlog.get_logger()

_ANSWER_S: Final = 2.0

#: Publishing there is a right that a user with few may lack.
STEP_DOWN: Final = "$JS.API.CONSUMER.LEADER.STEPDOWN"


class Leadership:
    """Compares, look by look, how far a consumer and its stream are."""

    def __init__(self) -> None:
        #: the last message that was delivered while more seemed to be there; None: all is well
        self._stuck_at: int | None = None

    def better(self, stream: StreamInfo, consumer: ConsumerInfo) -> str:
        """Return the server that should lead; empty: the one that does may go on.

        At the second look at which nothing came: a copy may be behind for a moment.
        """
        delivered = 0 if consumer.delivered is None else consumer.delivered.stream_seq
        if (
            consumer.num_pending
            or stream.state.last_seq <= delivered
            or not _is_behind(stream, consumer)
        ):
            self._stuck_at = None
        elif self._stuck_at != delivered:
            self._stuck_at = delivered
        else:
            self._stuck_at = None
            return (stream.cluster and stream.cluster.leader) or ""
        return ""


async def let_lead(client: Client, stream: str, consumer: str, server: str) -> None:
    """Let a server lead a consumer; what becomes of it the next look shows.

    :raises nats.errors.Error: the connection is lost.
    """
    _log.warning(
        "the server that delivers lacks what others have; another one is asked to", server=server
    )
    wanted = json.dumps({"placement": {"preferred": server}}).encode()
    try:
        answer = await client.request(f"{STEP_DOWN}.{stream}.{consumer}", wanted, timeout=_ANSWER_S)
    except (NatsTimeoutError, NoRespondersError) as error:
        _log.warning("NATS gives no other server", reason=str(error))
        return
    refusal = json.loads(answer.data).get("error")
    if refusal is not None:
        _log.warning("NATS gives no other server", reason=refusal.get("description", ""))


def _is_behind(stream: StreamInfo, consumer: ConsumerInfo) -> bool:
    """Whether the stream's leader says so of the server that leads the consumer."""
    if stream.cluster is None or consumer.cluster is None:
        return False
    return any(
        copy.name == consumer.cluster.leader and (not copy.current or bool(copy.lag))
        for copy in stream.cluster.replicas or []
    )
