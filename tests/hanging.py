"""A database that takes connections and answers nothing, until it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.core.store.schema import migrate
from services.core.store.schema.ddl import LOGINS
from tests.faults.proxy import Proxy
from tests.services import Postgres, server_directory

#: How a database can hang.
WAYS: Final = ("a server that is stopped", "a network that stalls")


@dataclass(frozen=True, kw_only=True)
class Hanging:
    """A database that can be made to hang; ``url`` leads past what hangs, if that is a network."""

    url: str
    server: Postgres
    #: what lies between it and who uses it; None: it hangs itself
    network: Proxy | None

    @property
    def port(self) -> int:
        """Where who is to notice connects to."""
        return self.server.port if self.network is None else self.network.port

    @property
    def through(self) -> str:
        """The URL of it for who is to notice."""
        return self.url.replace(f":{self.server.port}/", f":{self.port}/")

    def hang(self) -> None:
        """Answer nothing any more."""
        if self.network is None:
            self.server.halt()
        else:
            self.network.stall()

    def go_on(self) -> None:
        """Answer again."""
        if self.network is None:
            self.server.go_on()
        else:
            self.network.flow()

    def connections(self) -> int:
        """Return how many are open to it, of whoever has them."""
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        columns = [line.split() for line in lines]
        port, established = f"{self.port:04X}", "01"
        return sum(c[2].endswith(f":{port}") and c[3] == established for c in columns)


@contextmanager
def hanging(way: str, cluster: Postgres, migrated_template: str) -> Iterator[Hanging]:
    """Make a migrated database that can hang in one of ``WAYS``; at the end it goes on."""
    with ExitStack() as ending:
        if way == WAYS[1]:
            url = ending.enter_context(cluster.fresh_database(template=migrated_template))
            network = Proxy(cluster.port)
            ending.callback(network.close)
            made = Hanging(url=url, server=cluster, network=network)
        else:
            server = Postgres(ending.enter_context(server_directory(for_postgres=True)))
            ending.callback(server.stop)
            server.start()
            migrate.upgrade(server.url)
            for login in LOGINS:
                server.execute(f"ALTER ROLE {login} LOGIN")
            made = Hanging(url=server.url, server=server, network=None)
        ending.callback(made.go_on)
        yield made
