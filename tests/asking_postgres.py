"""A database server that asks every login for its password, as those of an installation do."""

from __future__ import annotations

from pathlib import Path

from deploy.local import postgres_server
from services.core.runtime.settings import local_database
from services.core.store.schema import logins
from tests.services import Postgres


class AskingPostgres(Postgres):
    """A cluster as a server has it: every login is asked for its password.

    ``logins``: the directory of the passwords, the superuser's among them.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.logins = directory / "logins"
        password = logins.password_of(self.logins, postgres_server.SUPERUSER)
        for _ in range(2):
            postgres_server.set_superuser_password(self._programs, self._data_dir, password)

    def url_as(self, login: str, database: str) -> str:
        """URL of a login on ``database``; the password stays in its file."""
        url = local_database(login, self.port, self.logins)
        return url.replace("/tonne?", f"/{database}?")

    def url_of(self, database: str) -> str:
        """URL of the superuser on ``database``."""
        return self.url_as(postgres_server.SUPERUSER, database)

    def command(self) -> list[str]:
        """Settings of the local stack's server, but for the disk's speed."""
        return postgres_server.server_command(
            self._programs, self._data_dir, self.port, passwords=True, settings=["fsync=off"]
        )
