"""One PostgreSQL cluster of our own: find the programs, make the cluster, say how to start it.

PostgreSQL refuses to run as root; as root it is started as the system user ``postgres``.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.problem import StackError

#: The oldest PostgreSQL that tonne works on.
OLDEST_MAJOR = 15

#: Superuser of the cluster. Everything listens on loopback only.
SUPERUSER = "tonne"

_SETTINGS = Path(__file__).parent.parent / "postgres" / "tonne.conf"
_SYSTEM_USER = "postgres"


@dataclass(frozen=True, kw_only=True)
class PostgresPrograms:
    """Where one PostgreSQL version's programs are."""

    bin_dir: Path

    def __str__(self) -> str:
        """Name the directory."""
        return str(self.bin_dir)

    def program(self, name: str) -> str:
        """Path of ``name``, such as ``initdb``."""
        return str(self.bin_dir / name)


def find_programs() -> PostgresPrograms:
    """Return the newest installed PostgreSQL that has TimescaleDB.

    :raises StackError: there is none.
    """
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda path: int(path.parts[-3]),
        reverse=True,
    )
    on_path = shutil.which("postgres")
    candidates = [*found, *([Path(on_path).resolve()] if on_path else [])]
    for postgres in candidates:
        programs = PostgresPrograms(bin_dir=postgres.parent)
        if _has_timescaledb(programs):
            return programs
    raise StackError(
        f"no PostgreSQL >= {OLDEST_MAJOR} with TimescaleDB is installed;"
        " run deploy/local/bootstrap.sh as root or with sudo, or set TONNE_DATABASE_URL"
    )


def _has_timescaledb(programs: PostgresPrograms) -> bool:
    config = subprocess.run(
        [programs.program("pg_config"), "--version", "--sharedir"],
        capture_output=True,
        text=True,
        check=False,
    )
    if config.returncode != 0:
        return False
    version, share_dir = config.stdout.splitlines()
    major = int(version.split()[1].split(".")[0].rstrip("abcdefghijklmnopqrstuvwxyz"))
    control = Path(share_dir) / "extension" / "timescaledb.control"
    return major >= OLDEST_MAJOR and control.exists()


def as_server_user(*, death_signal: str | None = None) -> list[str]:
    """Command prefix that runs a program as a user that PostgreSQL accepts.

    :param death_signal: what the program is sent when the process that started it dies.
    """
    options = ["--pdeathsig", death_signal] if death_signal else []
    if os.geteuid() == 0:
        options += ["--reuid", _SYSTEM_USER, "--regid", _SYSTEM_USER, "--init-groups"]
    return ["setpriv", *options, "--"] if options else []


def give_to_server_user(directory: Path) -> None:
    """Make ``directory`` if missing and let PostgreSQL's user, and no other, use it."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.geteuid() == 0:
        try:
            user = pwd.getpwnam(_SYSTEM_USER)
        except KeyError:
            raise StackError(
                f"there is no system user {_SYSTEM_USER}, which PostgreSQL is run as;"
                " install the distribution's postgresql package"
            ) from None
        os.chown(directory, user.pw_uid, user.pw_gid)
    directory.chmod(0o700)


def server_user_reaches(directory: Path) -> bool:
    """Whether PostgreSQL's user may walk down to ``directory``."""
    command = [*as_server_user(), "test", "-x", str(directory)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def cluster_exists(data_dir: Path) -> bool:
    """Whether ``data_dir`` holds a finished cluster."""
    return (data_dir / "PG_VERSION").exists() and (data_dir / "tonne-ready").exists()


def make_cluster(programs: PostgresPrograms, data_dir: Path) -> None:
    """Make a cluster with checksums, UTF-8 and the C.UTF-8 collation; durable when it returns.

    What an earlier, interrupted call left in ``data_dir`` is removed first.

    :raises StackError: initdb failed, or the directory holds a finished cluster of another version.
    """
    if cluster_exists(data_dir):
        raise StackError(f"{data_dir} already holds a database")
    if data_dir.exists():
        shutil.rmtree(data_dir)
    give_to_server_user(data_dir)
    command = [
        *as_server_user(),
        programs.program("initdb"),
        f"--pgdata={data_dir}",
        f"--username={SUPERUSER}",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--data-checksums",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode != 0:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]
        raise StackError(f"initdb could not make a database in {data_dir}: {reason}")
    (data_dir / "tonne-ready").touch()


def set_superuser_password(programs: PostgresPrograms, data_dir: Path, password: str) -> None:
    """Give the superuser a password while the server is stopped; once for each password.

    :raises StackError: the server's program refused.
    """
    mark = data_dir / "tonne-password"
    digest = hashlib.sha256(password.encode()).hexdigest()
    if mark.exists() and mark.read_text(encoding="utf-8") == digest:
        _give_to_owner_of(data_dir, mark)
        return
    # loads the database's packages
    from services.core.store.schema.logins import password_statement  # noqa: PLC0415

    done = subprocess.run(
        # without the libraries of the shipped settings: this needs none
        [*as_server_user(), programs.program("postgres"), "--single", "-D", str(data_dir),
         "template1"],
        input=password_statement(SUPERUSER, password) + "\n",
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip
    if done.returncode != 0 or "ERROR" in done.stderr:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise StackError(f"the database's superuser could not be given a password: {reason}")
    mark.write_text(digest, encoding="utf-8")
    mark.chmod(0o600)
    _give_to_owner_of(data_dir, mark)


def _give_to_owner_of(data_dir: Path, file: Path) -> None:
    """Let the server read a file in its directory: a copy of the cluster takes all of them."""
    owner = data_dir.stat()
    os.chown(file, owner.st_uid, owner.st_gid)


def check_version(programs: PostgresPrograms, data_dir: Path) -> None:
    """Refuse a cluster that another major version made.

    :raises StackError: names the version that is needed.
    """
    major = (data_dir / "PG_VERSION").read_text().strip()
    version = subprocess.run(
        [programs.program("postgres"), "--version"], capture_output=True, text=True, check=True
    ).stdout.split()[2]
    if version.split(".")[0] != major:
        raise StackError(
            f"{data_dir} was made by PostgreSQL {major}, installed is {version};"
            f" install PostgreSQL {major} with TimescaleDB, or start afresh with make clean"
        )


def server_command(
    programs: PostgresPrograms,
    data_dir: Path,
    port: int,
    *,
    passwords: bool = False,
    settings: Sequence[str] = (),
) -> list[str]:
    """Command line that runs the cluster in the foreground on 127.0.0.1.

    The shipped settings are copied beside the data, because PostgreSQL's user may not be able to
    read the checkout. The server stops (fast) when the process that started it dies.

    :param passwords: ask every login for its password, whatever the cluster was made with.
    :param settings: more of them, ``name=value``, which win over the shipped ones.
    """
    own_settings = data_dir / "tonne.conf"
    own_settings.write_text(f"include 'postgresql.conf'\n{_SETTINGS.read_text()}", encoding="utf-8")
    own_settings.chmod(0o644)
    fixed = [f"config_file={own_settings}", f"port={port}", *settings]
    if passwords:
        own_rules = data_dir / "tonne-hba.conf"
        # whoever has the right to replicate copies the whole cluster, which `all` does not mean
        rules = [f"host {what} all 127.0.0.1/32 scram-sha-256\n" for what in ("all", "replication")]
        own_rules.write_text("".join(rules), encoding="utf-8")
        own_rules.chmod(0o644)
        fixed.append(f"hba_file={own_rules}")
    return [
        *as_server_user(death_signal="INT"),
        programs.program("postgres"),
        "-D",
        str(data_dir),
        *(word for setting in fixed for word in ("-c", setting)),
    ]
