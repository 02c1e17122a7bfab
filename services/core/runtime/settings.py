"""Every setting of tonne, read from ``TONNE_*`` environment variables.

A variable that no setting knows is an error: a misspelt setting must not be a silent default.
A setting that can hold a secret may come from a file instead, which ``TONNE_..._FILE`` names.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from services.core.runtime import secret_files
from services.core.runtime.secret_files import SecretFileError

_PREFIX = "TONNE_"

#: Secrets that facility files name, read by the notifier alone; they are no settings.
_NO_SETTINGS = "TONNE_SECRET_"

_LEAST_RETENTION_DAYS = 40
_LEAST_PACKING_DAYS = 3

#: The login of people's commands.
_ADMINISTRATOR = "tonne_admin"

#: The logins of processes, and of the commands that need the rights of one.
_LOGINS = {
    "migrate": "tonne",
    "ingest": "tonne_ingest",
    "aggregator": "tonne_aggregate",
    "notify": "tonne_notify",
    "api": "tonne_api",
    # they compute as the aggregator does, and undo it
    "verify": "tonne_aggregate",
    "recompute": "tonne_aggregate",
    # what is imported becomes readings
    "activities": "tonne_ingest",
    "import": "tonne_ingest",
    "backup": "tonne_backup",
}


class SettingsError(ValueError):
    """A TONNE_* variable is unknown or has a value that cannot be used."""


#: auto: 5 where the broker speaks it, else 3.1.1
MqttVersion = Literal["auto", "5", "3.1.1"]


class Settings(BaseSettings):
    """The settings with their defaults; the field's name in capitals follows ``TONNE_``."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's names
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment alone: to look for files that are not there takes as long."""
        return init_settings, env_settings

    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL with TimescaleDB, `postgresql://...`; of several hosts, comma"
        " separated, the primary; the local stack's if not set",
    )
    cells: SecretStr | None = Field(
        None,
        description="other databases that facilities live in, `NAME=postgresql://...`, parted by"
        " spaces or lines; the one of `TONNE_DATABASE_URL` is `home` (see Cells)",
    )
    api_reads_url: SecretStr | None = Field(
        None,
        description="standby of that database, which the API reads from where it has all that the"
        " primary shows, `postgresql://...`; of several hosts, comma separated, a standby (see"
        " Many machines); the primary alone if not set",
    )
    mqtt_url: SecretStr | None = Field(
        None,
        description="broker: `mqtt://user:pw@host:1883`, `mqtts://`, `ws://`, `wss://`, or NATS"
        " itself: `nats://`, `tls://` (see Brokers), of one cluster also several hosts, comma"
        " separated; the local stack's if not set",
    )
    mqtt_client_id: str | None = Field(
        None,
        min_length=1,
        description="fixed id of ingest's persistent session, one per ingest process, that no other"
        " client can guess; if not set, one that tonne makes and keeps in its database. With"
        " `nats://` the consumer that all of them share, `tonne-ingest` if not set",
    )
    mqtt_version: MqttVersion = Field(
        "auto",
        description="MQTT that ingest and the notifier speak: `5`, `3.1.1`, or `auto`: 5 where the"
        " broker does too",
    )
    mqtt_overlap_s: float = Field(
        60,
        gt=0,
        description="for how long ingest goes on with filters that a change of the registry has"
        " replaced, by MQTT: longer than what the broker waits for an acknowledgement, and"
        " than the 15 s in which ingest notices what NATS lost",
    )
    device_hosts: str | None = Field(
        None,
        description="hosts that ingest may connect to for devices with `p1` or `modbus`, comma"
        " separated `HOST`, `HOST:PORT` or `NETWORK`, each with `@FACILITY` where it is of one,"
        " such as `meter.example.org, 192.168.1.40:502, 10.2.0.0/24@linz`; none if not set",
    )
    sparkplug_url: SecretStr | None = Field(
        None,
        description="broker and account of Sparkplug's host application, by MQTT; if not set that"
        " of `TONNE_MQTT_URL` where it names no user. An account that the broker gives one client"
        " id must not be ingest's",
    )
    sparkplug_host_id: str = Field(
        "tonne",
        min_length=1,
        max_length=200,
        description="name of this host application in Sparkplug's STATE topic, unique at its"
        " broker",
    )
    sparkplug_reorder_s: float = Field(
        2.0,
        ge=0,
        le=300,
        description="Sparkplug's reorder timeout: how long a message may be missing until its edge"
        " node is asked for a rebirth; 0 where the broker keeps messages in order",
    )
    mqtt_tls_ca: Path | None = Field(
        None,
        description="authorities that the broker's certificate must come from, PEM; the machine's"
        " own if not set",
    )
    mqtt_tls_cert: Path | None = Field(
        None, description="client certificate that is shown to the broker, PEM"
    )
    mqtt_tls_key: Path | None = Field(
        None, description="its private key, PEM, without a passphrase"
    )
    discovery_topics: str = Field(
        "#",
        min_length=1,
        description="topics that devices which nobody registered are looked for at, MQTT filters,"
        " comma separated; `off`: none. What registered devices send is not looked at",
    )
    discovery_url: SecretStr | None = Field(
        None,
        description="broker and account that they are looked for with, by MQTT; if not set that of"
        " `TONNE_MQTT_URL` where it names no user. An account that the broker gives one client id"
        " must not be ingest's",
    )
    discovery_messages_per_s: int = Field(
        200,
        ge=1,
        le=10_000,
        description="messages that discovery hears in the mean; a broker that carries more is"
        " listened to for a part of the time",
    )
    discovery_candidates: int = Field(
        200, ge=1, le=5000, description="unknown devices that are remembered; others make room"
    )
    api_host: str = Field("127.0.0.1", description="address that the API listens on")
    api_port: int = Field(8000, ge=1, le=65535, description="port that the API listens on")
    api_auth: Literal["required", "off"] = Field(
        "required", description="`off` binds to 127.0.0.1 only"
    )
    api_tls_cert: Path | None = Field(
        None,
        description="certificate of the API, PEM, with those between it and its authority: with it"
        " the API speaks HTTPS and no HTTP. Read again when it was renewed",
    )
    api_tls_key: Path | None = Field(None, description="its private key, PEM, without a passphrase")
    api_access_log: Literal["changes", "all", "off"] = Field(
        "changes",
        description="requests that are logged: `changes`, what is no GET and what was refused;"
        " `all`, but for probes and files of pages; `off`",
    )
    api_trusted_proxies: str | None = Field(
        None,
        description="addresses or networks, comma separated, of proxies before the API whose"
        " `X-Forwarded-For` is believed",
    )
    api_requests_per_minute: int = Field(
        6000, ge=60, description="of one key, or of one address without a key; above: 429"
    )
    api_rows_per_minute: int = Field(
        5_000_000, ge=1000, description="in the answers to one key or address; above: 429"
    )
    api_wrong_keys_per_minute: int = Field(
        60, ge=1, description="of one address; above, only keys that were right are looked at"
    )
    api_sign_ins_per_minute: int = Field(
        10, ge=1, description="wrong passwords of one account, and of one address; above: 429"
    )
    oidc_issuer: str | None = Field(
        None,
        description="OpenID provider that people may sign in at, as it calls itself, such as"
        " `https://login.example.org/realms/plant`; `http://` on this machine only",
    )
    oidc_client_id: str | None = Field(
        None, min_length=1, description="what the provider calls tonne; needed with an issuer"
    )
    oidc_client_secret: SecretStr | None = Field(
        None, description="tonne's secret at the provider; none for a public client"
    )
    oidc_roles: str | None = Field(
        None,
        description="roles of the provider's groups, comma separated `GROUP=ROLE` or"
        " `GROUP=ROLE@FACILITY+FACILITY`, such as `tonne-admins=admin, linz-ops=operator@linz`;"
        " needed with an issuer",
    )
    oidc_roles_claim: str = Field(
        "groups",
        min_length=1,
        description="claim of the ID token that lists the groups, or its path by dots, such as"
        " `realm_access.roles`",
    )
    oidc_scopes: str = Field(
        "openid profile email",
        pattern=r"^(\S+ )*openid( \S+)*$",
        description="scopes that the provider is asked for, `openid` among them",
    )
    oidc_button: str = Field(
        "Sign in with your organisation",
        min_length=1,
        max_length=60,
        description="what the button at `/login` says that leads to the provider",
    )
    api_reads_at_once: int = Field(
        12, ge=2, le=60, description="requests that the API's database connections serve at once"
    )
    api_reads_at_once_per_key: int = Field(
        6,
        ge=1,
        description="of them, of one key or address, at most two thirds for one kind of call; more"
        " wait, in turns with others",
    )
    api_waiting_per_key: int = Field(
        200, ge=1, description="requests of one key or address that may wait; above: 429"
    )
    api_longest_wait_s: float = Field(
        20, gt=0, description="how long a request waits for its turn; then 503"
    )
    api_request_timeout_s: float = Field(
        30, gt=0, description="how long an answer may take to begin; then 503"
    )
    api_answer_timeout_s: float = Field(
        300, gt=0, description="how long an answer may take to be fetched; streams excepted"
    )
    api_prometheus_lookback_s: int = Field(
        300,
        ge=60,
        le=86_400,
        description="how old a sample may be that still counts in queries below `/prometheus/`",
    )
    api_prometheus_minutes_days: int = Field(
        7,
        ge=1,
        le=366,
        description="days that queries below `/prometheus/` read by the minute; earlier ones are"
        " means of hours",
    )
    api_streams: int = Field(10_000, ge=1, description="open live streams of all; above: 503")
    api_streams_per_key: int = Field(
        100, ge=1, description="open live streams of one key or address; above: 429"
    )
    api_connections: int = Field(
        11_000,
        ge=10,
        description="open connections of all, as far as the system allows so many open files;"
        " above: 503",
    )
    api_connections_per_address: int = Field(
        250, ge=1, description="open connections of one address, trusted proxies excepted"
    )
    api_header_timeout_s: float = Field(
        10, gt=0, description="how long the head of a request may take to arrive; then 408"
    )
    api_body_timeout_s: float = Field(
        30, gt=0, description="how long the body of a request may take to arrive; then 408"
    )
    api_stall_timeout_s: float = Field(
        60, gt=0, description="how long a client may leave an answer lying unread; then it is cut"
    )
    api_header_bytes: int = Field(16_384, ge=1024, description="the head of a request; above: 431")
    api_body_bytes: int = Field(1_048_576, ge=1024, description="the body of a request; above: 413")
    hj212_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="TCP port at which ingest hears stations that speak HJ 212; none if not set, 0:"
        " any that is free",
    )
    hj212_host: str = Field(
        "127.0.0.1",
        description="address that this port listens on, `0.0.0.0` for all of the machine's",
    )
    hj212_passwords: SecretStr | None = Field(
        None,
        description="passwords (PW) of stations by HJ 212, `MN:PW` parted by spaces or lines,"
        " `*:PW` for all others; a station that is not in it may send any",
    )
    hj212_keys: SecretStr | None = Field(
        None,
        description="keys (SM4) of stations that encrypt their frames of HJ 212, by TCP or by MQTT:"
        " `MN:KEY` parted by spaces or lines, a key has 32 hexadecimal digits, `*:KEY` for all"
        " others; looked up for each such frame",
    )
    hj212_connections: int = Field(
        200, ge=1, le=10_000, description="stations that may be connected by HJ 212 at once"
    )
    hj212_idle_s: float = Field(
        3700,
        gt=0,
        description="how long a station by HJ 212 may be silent until its connection is ended; the"
        " standard's longest interval is an hour",
    )
    readings_socket: Path | None = Field(
        None,
        description="Unix socket at which ingest takes the readings of `POST /v1/readings` from the"
        " API, the same for both; the local stack's if not set",
    )
    readings_body_bytes: int = Field(
        16 << 20,
        ge=10_000,
        description="the body of `POST /v1/readings`, as sent and unpacked; above: 413",
    )
    uploads_dir: Path | None = Field(
        None,
        description="where ingest keeps files that people upload until they are taken; `uploads` in"
        " `TONNE_LOCAL_DIR` if not set, and nowhere where that does not exist",
    )
    upload_bytes: int = Field(
        1 << 30,
        ge=10_000,
        description="an uploaded file, as sent and a packed text unpacked; above: 413",
    )
    api_readings_per_minute: int = Field(
        6_000_000, ge=1000, description="that one key or address sends; above: 429"
    )
    report_font: Path | None = Field(
        None,
        description="font file (.ttf, .otf, .ttc) whose glyphs PDF reports embed for letters that"
        " are not Latin; Noto Sans CJK, WenQuanYi Micro Hei or Droid Sans Fallback where one is"
        " installed if not set",
    )
    local_dir: Path = Field(Path(".tonne"), description="where the local stack keeps its data")
    mqtt_port: int = Field(1883, ge=1, le=65535, description="the local stack's broker")
    db_port: int = Field(5433, ge=1, le=65535, description="the local stack's database")
    webhook_private: Literal["refuse", "allow"] = Field(
        "refuse", description="whether webhooks may go to private addresses"
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="where mail is handed in: `smtp://user:pw@host:587`, `smtps://...`; without it"
        " nobody gets mail",
    )
    smtp_from: str = Field(
        "tonne@localhost",
        pattern=r"^[^\s@<>]+@[A-Za-z0-9.-]+$",
        description="sender of that mail",
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#]+$",
        description="address of the API and its dashboard as people reach it, such as"
        " `https://tonne.example.org`; notifications link to it, without it they have no link",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level that is logged"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto`: console on a terminal, else JSON"
    )
    otel_endpoint: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="collector that traces are sent to, OTLP by HTTP such as"
        " `http://127.0.0.1:4318`; needs `tonne[otel]`. None are made if not set",
    )
    batch_messages: int = Field(
        5000, ge=1, le=50_000, description="most messages that ingest takes at once"
    )
    batch_rows: int = Field(
        10_000,
        ge=10,
        le=1_000_000,
        description="most readings that ingest writes in one transaction; what more arrives at once"
        " is written piece by piece, what is older than an hour last",
    )
    flush_interval_ms: int = Field(
        10, ge=1, le=10_000, description="longest wait before ingest writes what it has"
    )
    future_tolerance_s: int = Field(
        600, ge=0, description="how far ahead of the clock a reading's time may be"
    )
    oldest_reading: str = Field(
        "2000-01-01T00:00:00Z", description="readings from before are quarantined as absurd"
    )
    mapping_steps: int = Field(
        200_000,
        ge=10_000,
        description="most steps that the expressions of a device's mapping may take for one message"
        " (some 0.3 s); a message that takes more is quarantined",
    )
    value_file_bytes: int = Field(
        1 << 28,
        ge=10_000,
        description="size of the largest file of factors' values by the hour that is read",
    )
    file_bytes: int = Field(
        1 << 20,
        ge=10_000,
        description="size of the largest facility file or file of factors that is read",
    )
    alone_after_days: int = Field(
        400,
        ge=0,
        le=36_500,
        description="an older reading this far from all others of its device is quarantined, until"
        " others lie around it; 0: never",
    )
    retention_days: int = Field(
        0,
        ge=0,
        description="raw readings older than this are dropped by the week once every hour they feed"
        " is final; 0: never, else at least 40",
    )
    pack_after_days: int = Field(
        35,
        ge=0,
        le=36_500,
        description="readings older than this are packed by channel and day once every hour they"
        " feed is final, minutes by source and day, hours by source and month, all of them read as"
        " before; 0: never, else at least 3",
    )
    archive: str | None = Field(
        None,
        description="where `tonne archive` writes: a folder, or `s3://bucket/prefix` with the keys"
        " that every client of S3 takes from the environment or `~/.aws`; where it is set, readings"
        " are dropped only when they are archived",
    )
    archive_s3_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^/?#@]+/?$",
        description="address of an S3 that is not Amazon's, such as `https://s3.example.com`",
    )
    backup: Path | None = Field(None, description="folder that `tonne backup` writes to")
    backup_max_age_hours: int = Field(
        48,
        ge=0,
        description="age of the newest backup from which `/readyz` and the screen say that it is"
        " old; 0: never",
    )
    backup_broker_url: SecretStr | None = Field(
        None,
        description="NATS itself, `nats://user:pw@host:4222` or `tls://`, whose streams belong to a"
        " backup; if not set that of `TONNE_MQTT_URL` where it begins so. With it ingest by MQTT"
        " sets right at NATS what its session needs",
    )
    ingest_metrics_port: int = Field(
        9101, ge=0, le=65535, description="Prometheus metrics of ingest on 127.0.0.1; 0: none"
    )
    aggregator_metrics_port: int = Field(
        9102, ge=0, le=65535, description="Prometheus metrics of the aggregator; 0: none"
    )
    notify_metrics_port: int = Field(
        9103, ge=0, le=65535, description="Prometheus metrics of the notifier; 0: none"
    )
    metrics_host: str = Field("127.0.0.1", description="address that these ports listen on")

    @field_validator("oidc_issuer")
    @classmethod
    def _is_secure(cls, issuer: str | None) -> str | None:
        if issuer is not None and not is_secure_url(issuer):
            raise ValueError("Input should begin with https://; http:// is for this machine only")
        return issuer

    @field_validator("report_font")
    @classmethod
    def _is_there(cls, font: Path | None) -> Path | None:
        if font is not None and not font.is_file():
            raise ValueError("Input should name a file that is there")
        return font

    @field_validator("retention_days")
    @classmethod
    def _limits_need_readings(cls, days: int) -> int:
        """Thresholds are evaluated again for data that are up to 35 days late."""
        if 0 < days < _LEAST_RETENTION_DAYS:
            raise ValueError(f"Input should be 0 or at least {_LEAST_RETENTION_DAYS}")
        return days

    @field_validator("pack_after_days")
    @classmethod
    def _young_readings_are_rows(cls, days: int) -> int:
        """Who writes young readings need not look for packed ones."""
        if 0 < days < _LEAST_PACKING_DAYS:
            raise ValueError(f"Input should be 0 or at least {_LEAST_PACKING_DAYS}")
        return days

    @field_validator("api_trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: str | None) -> str | None:
        for part in (networks or "").split(","):
            if part.strip():
                try:
                    ipaddress.ip_network(part.strip())
                except ValueError:
                    raise ValueError(
                        f"`{part.strip()}` is neither an address nor a network such as 10.0.0.0/8"
                    ) from None
        return networks

    @property
    def trusted_proxies(self) -> list[str]:
        """Addresses and networks of the proxies before the API."""
        return [
            part.strip() for part in (self.api_trusted_proxies or "").split(",") if part.strip()
        ]

    @property
    def database(self) -> str:
        """The database's URL, the local stack's where none is set."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return self._local_database("admin")

    def of_process(self, name: str) -> Settings:
        """Return these settings with the login that a process or command has at the database.

        That is the local stack's database where none is set, and one whose URL is of who
        administers and names the file of its password: :func:`of_another_login`.
        """
        if self.database_url is None:
            url = self._local_database(name)
        else:
            url = of_another_login(self.database_url.get_secret_value(), login_of(name))
        return self.model_copy(update={"database_url": SecretStr(url)})

    def _local_database(self, process: str) -> str:
        return local_database(login_of(process), self.db_port, self.local_logins)

    @property
    def readings_door(self) -> Path:
        """The socket that ingest takes readings from the API at."""
        return self.readings_socket or self.local_dir.absolute() / "readings.sock"

    @property
    def uploads(self) -> Path:
        """The folder of files that people upload."""
        return self.uploads_dir or self.local_dir.absolute() / "uploads"

    @property
    def local_logins(self) -> Path:
        """Passwords of the logins at the local stack's database, each in a directory of its own."""
        return self.local_dir.absolute() / "logins"

    @property
    def mqtt(self) -> str:
        """The broker's URL, the local stack's where none is set."""
        if self.mqtt_url is not None:
            return self.mqtt_url.get_secret_value()
        return f"mqtt://127.0.0.1:{self.mqtt_port}"


def is_secure_url(url: str) -> bool:
    """Return whether nobody between can read along: HTTPS, or this very machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_local = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and is_local)
    )


def local_database(login: str, port: int, logins: Path) -> str:
    """URL of the local stack's database for one of its logins, by the login's password file."""
    file = quote(str(logins / login / "pgpass"), safe="")
    return f"postgresql://{login}@127.0.0.1:{port}/tonne?passfile={file}"


def login_of(name: str) -> str:
    """Return the login at the database of a process, or of a command of people."""
    return _LOGINS.get(name, _ADMINISTRATOR)


def of_another_login(url: str, login: str) -> str:
    """Return the URL of a login whose password lies beside that of who administers.

    As ``tonne migrate --logins`` writes them: ``DIRECTORY/LOGIN/pgpass``. ``url`` itself, if it is
    of another login, names no such file, or there is no password of ``login`` that can be read.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    query = dict(parse_qsl(parts.query))
    file = Path(query.get("passfile", ""))
    user, _, place = parts.netloc.rpartition("@")
    password = file.parent.parent / login / file.name
    if (
        (user, file.parent.name) != (_ADMINISTRATOR, _ADMINISTRATOR)
        or not password.is_file()
        or not os.access(password, os.R_OK)
    ):
        return url
    query["passfile"] = str(password)
    changed = urlencode(query, quote_via=quote)
    return urlunsplit(parts._replace(netloc=f"{login}@{place}", query=changed))


def secret_settings() -> list[str]:
    """Return the settings that can hold a secret, and so may come from a file."""
    return [
        name
        for name, field in Settings.model_fields.items()
        if SecretStr in (field.annotation, *get_args(field.annotation))
    ]


def load() -> Settings:
    """Read the settings from the environment.

    :raises SettingsError: one sentence for each variable that is unknown or unusable.
    """
    known = {_PREFIX + name.upper() for name in Settings.model_fields}
    known |= {_PREFIX + name.upper() + secret_files.SUFFIX for name in secret_settings()}
    problems = [
        f"{name} is not a setting of tonne; deploy/docs/reference/settings.md lists every setting"
        for name in sorted(os.environ)
        if name.startswith(_PREFIX) and name not in known and not name.startswith(_NO_SETTINGS)
    ]
    values: dict[str, Any] = {}
    for name in secret_settings():
        variable = _PREFIX + name.upper()
        if variable + secret_files.SUFFIX in os.environ:
            try:
                value = secret_files.value_of(variable, os.environ)
            except SecretFileError as error:
                problems.append(str(error))
            else:
                values[name] = SecretStr(value or "")
    try:
        settings = Settings(**values)
    except ValidationError as error:
        problems += [
            f"{_PREFIX}{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors()
        ]
    if problems:
        raise SettingsError("; ".join(problems))
    return settings
