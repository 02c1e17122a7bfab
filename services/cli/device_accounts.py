"""Broker accounts of devices: user names, passwords and topics, as settings of the broker.

A device's MQTT user name is ``facility.device``; who publishes values of a facility's factors by
the hour is ``facility._factors``. Passwords are created here and not stored; the
broker gets a hash. Topics come from facility files, so one that a broker would read as more than
itself is left out (:mod:`services.core.facility.topics`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import bcrypt

from services.core.facility import fleets
from services.core.facility.model import own_topic
from services.core.facility.time_messages import time_topic
from services.core.facility.topics import readings_topic, uncarried
from services.core.store.registry.read import Device
from services.ingest.route import SHARED_SERIES, SLUG, values_topic
from services.ingest.sources.jetstream.subjects import subjects
from services.ingest.sources.probe import TOPIC as PROBE

_SECRET_BYTES: Final = 24

#: Secrets of 192 random bits cannot be guessed: an expensive hash would only slow connects down.
_BCRYPT_ROUNDS: Final = 5
_PBKDF2_ROUNDS: Final = 101

#: tonne's own accounts: one reads everything, one publishes alerts and totals, one hears of unknown
#: devices, with one ingest is the host application of Sparkplug, with one somebody publishes values
#: of factors that every facility can use, and one hears totals. Unlike the names of devices, these
#: and that for anonymous clients have no dot.
INGEST: Final = "tonne-ingest"
NOTIFY: Final = "tonne-notify"
DISCOVERY: Final = "tonne-discovery"
FACTORS: Final = "tonne-factors"
HOME_ASSISTANT: Final = "home-assistant"
SPARKPLUG: Final = "tonne-sparkplug"
ANYBODY: Final = "anybody"

_ALERTS: Final = "emissions/+/alerts/+"
_TOTALS: Final = "emissions/+/totals"
#: Where Home Assistant looks for devices, unless it was told another prefix.
_DISCOVERY: Final = "homeassistant/device/+/config"
#: Where it says that it has come and gone.
_PRESENCE: Final = "homeassistant/status"

#: Subjects that NATS reserves; an account is denied all of them.
_OF_THE_SERVER: Final = tuple(
    f"{name}.>"
    for name in ("$JS", "$SYS", "$MQTT", "$NRG", "$JSC", "$KV", "$O", "$SRV", "$NATS", "$GR", "_R_")
)


class UnfitIdError(ValueError):
    """A device cannot have an account."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A broker account that can publish to ``topics``; None: that can read everything.

    ``heard``: topics that it can subscribe to as well.
    """

    user: str
    topics: Sequence[str] | None
    heard: Sequence[str] = ()
    password: str = field(repr=False, default_factory=lambda: secrets.token_urlsafe(_SECRET_BYTES))


def own_accounts() -> list[Account]:
    """Create the accounts of tonne's own services."""
    return [
        Account(user=INGEST, topics=None),
        # what of totals a notifier before this one published, it is told by the broker
        Account(user=NOTIFY, topics=[_ALERTS, _TOTALS, _DISCOVERY], heard=[_TOTALS]),
    ]


def discovery_account() -> Account:
    """Create the account that unknown devices are looked for with.

    A broker may give each account one client id, so that ingest's would not do.
    """
    return Account(user=DISCOVERY, topics=[], heard=["#"])


def home_assistant_account() -> Account:
    """Create the account of a Home Assistant, which hears what is announced to it, and totals."""
    return Account(user=HOME_ASSISTANT, topics=[_PRESENCE], heard=["homeassistant/#", _TOTALS])


def sparkplug_account() -> Account:
    """Create the account of the host application of Sparkplug.

    Its connection is not that of ingest's session: mosquitto names clients after their accounts.
    """
    return Account(
        user=SPARKPLUG, topics=["spBv1.0/STATE/+", "spBv1.0/+/NCMD/+"], heard=["spBv1.0/#"]
    )


def shared_factors_account() -> Account:
    """Create the account that publishes values of series that every facility can use."""
    return Account(user=FACTORS, topics=[values_topic(None, "+")])


def factors_account(facility: str, granted: Iterable[str]) -> Account:
    """Create the account that publishes values of a facility's factors by the hour.

    ``granted``: topics that an admin granted to it; values of series that all can use among them.

    :raises UnfitIdError: an id that no facility file can contain.
    """
    _check_id(facility)
    shared = {_shared_values(topic) for topic in granted} - {None}
    topics = [values_topic(facility, "+"), *sorted(topic for topic in shared if topic)]
    # no id has an underscore in it, so no device has this name
    return Account(user=f"{facility}._factors", topics=topics)


def _shared_values(granted: str) -> str | None:
    """Return the topics of values that a grant is of, as a filter; None: it is of others."""
    if granted == SHARED_SERIES:
        return values_topic(None, "+")
    series = granted.removeprefix(f"{SHARED_SERIES}/").removesuffix("/values")
    return values_topic(None, series) if series != granted and SLUG.match(series) else None


def user_name(device: Device) -> str:
    """Return a device's MQTT user name; ids contain no dot, so it is unique.

    :raises UnfitIdError: an id that no facility file can contain.
    """
    for slug in (device.facility, device.slug):
        _check_id(slug)
    return f"{device.facility}.{device.slug}"


def _check_id(slug: str) -> None:
    if not SLUG.match(slug):
        raise UnfitIdError(f"{slug!r} cannot be part of a broker user name; take another id")


def heard_topics(device: Device) -> list[str]:
    """List the topics a device can hear: of an edge node of Sparkplug, its commands and hosts."""
    part = device.spec.get("sparkplug")
    if part is None:
        return []
    group, edge_node = part["group"], part["edge_node"]
    commands = [f"spBv1.0/{group}/NCMD/{edge_node}", f"spBv1.0/{group}/DCMD/{edge_node}/+"]
    return ["spBv1.0/STATE/+", *(topic for topic in commands if not uncarried(topic[:-2]))]


def _sparkplug_topics(device: Device) -> list[str]:
    """List where the edge node publishes that a device is, or is a device of."""
    part = device.spec.get("sparkplug")
    if part is None or uncarried(f"{part['group']}/{part['edge_node']}"):
        return []
    group, edge_node = part["group"], part["edge_node"]
    return [
        *(f"spBv1.0/{group}/{verb}/{edge_node}" for verb in ("NBIRTH", "NDATA", "NDEATH")),
        *(f"spBv1.0/{group}/{verb}/{edge_node}/+" for verb in ("DBIRTH", "DDATA", "DDEATH")),
    ]


def topics(device: Device) -> tuple[list[str], list[str]]:
    """List the topics a device can publish to: its readings and status, and its own topics.

    The second list says which of its topics are left out, and why.
    """
    named = {
        name
        for channel in device.channels.values()
        for topic in (
            own_topic(device.topic, channel.spec.get("topic")),
            time_topic(device.topic, device.spec.get("timestamp")),
        )
        if topic
        for name in fleets.topics_of(topic, device.spec.get("device_from"), device.known_as)
    }
    device_topics = sorted(named)
    left_out = [f"{topic!r}: {why}" for topic in device_topics if (why := uncarried(topic))]
    fit = [topic for topic in device_topics if not uncarried(topic)]
    readings = readings_topic(device.facility, device.slug)
    status = f"emissions/{device.facility}/{device.slug}/status"
    return [readings, status, *fit, *_sparkplug_topics(device)], left_out


def for_nats(accounts: Iterable[Account], *, anybody: str | None = None) -> dict[str, str]:
    """Write a file for tonne.conf to include: the users of ``authorization``, a line for each.

    ``anybody``: password of the account for anonymous clients; for this machine only.
    """
    lines = [_nats_user(account, account.user, digest(account.password)) for account in accounts]
    if anybody is not None:
        lines.append(_nats_anybody(anybody))
    return _nats_users(lines)


def certified_for_nats(
    accounts: Iterable[Account], certificates: Mapping[str, Sequence[str]], *, ingest: str
) -> dict[str, str]:
    """Write the same file for clients that show a certificate instead of a password.

    ``certificates``: the names of those that each account may show; the server knows each as a user
    of its own, so that one that is taken out ends its holder's connection as well. ``ingest``: the
    digest of tonne's own password, for NATS' own protocol.
    """
    tonne = Account(user=INGEST, topics=None)
    lines = [_nats_user(tonne, tonne.user, ingest)]
    lines += [
        _nats_user(account, name, None)
        for account in accounts
        for name in certificates.get(account.user, ())
    ]
    return _nats_users(lines)


def digest(password: str) -> str:
    """Hash a password as NATS takes it."""
    # NATS only recognises hashes with this prefix
    salt = bcrypt.gensalt(_BCRYPT_ROUNDS, prefix=b"2a")
    return bcrypt.hashpw(password.encode(), salt).decode()


def _nats_users(lines: Iterable[str]) -> dict[str, str]:
    users = (f"    {line}" for line in lines)
    text = "\n".join(["authorization {", "  users: [", *users, "  ]", "}", ""])
    return {"nats-users.conf": text}


def _nats_user(account: Account, user: str, password: str | None) -> str:
    parts = [f"user: {_nats_text(user)}"]
    if password is not None:
        parts.append(f"password: {_nats_text(password)}")
    if account.topics is not None:
        allowed = ", ".join(_nats_text(subject) for subject in sorted(subjects(account.topics)))
        heard = ", ".join(_nats_text(subject) for subject in sorted(subjects(account.heard)))
        # the server delivers QoS 1 messages by $MQTT.sub
        subscribe = f'[{heard}, "$MQTT.sub.>"]' if heard else '{deny: ">"}'
        # an empty list would allow everything
        publish = f"[{allowed}]" if allowed else '{deny: ">"}'
        parts.append(f"permissions: {{publish: {publish}, subscribe: {subscribe}}}")
        parts.append('allowed_connection_types: ["MQTT", "MQTT_WS"]')
    return f"{{{', '.join(parts)}}}"


def _nats_anybody(password: str) -> str:
    """Allow all but the server's subjects; the password is plain, as NATS requires here."""
    denied = ", ".join(_nats_text(subject) for subject in _OF_THE_SERVER)
    # the server delivers QoS 1 messages by $MQTT.sub
    unheard = ", ".join(_nats_text(subject) for subject in _OF_THE_SERVER if subject != "$MQTT.>")
    return (
        f"{{user: {_nats_text(ANYBODY)}, password: {_nats_text(password)},"
        f" permissions: {{publish: {{deny: [{denied}]}}, subscribe: {{deny: [{unheard}]}}}},"
        ' allowed_connection_types: ["MQTT", "MQTT_WS"]}'
    )


def _nats_text(text: str) -> str:
    """Quote a string for NATS' settings, which have few escapes; it has no control characters."""
    return json.dumps(text, ensure_ascii=False)


def for_mosquitto(accounts: Iterable[Account], *, directory: Path) -> dict[str, str]:
    """Write the files of ``password_file`` and ``acl_file``, and the settings that name them.

    The client id equals the user name, so that no client takes over the session of another.
    """
    accounts = list(accounts)
    passwords = (f"{account.user}:{_mosquitto_hash(account.password)}\n" for account in accounts)
    settings = (
        "allow_anonymous false\n"
        "use_username_as_clientid true\n"
        "max_qos 1\n"
        f"password_file {directory / 'mosquitto-passwords'}\n"
        f"acl_file {directory / 'mosquitto-acl'}\n"
    )
    return {
        "mosquitto-users.conf": settings,
        "mosquitto-passwords": "".join(passwords),
        "mosquitto-acl": _mosquitto_rights(accounts),
    }


def certified_for_mosquitto(
    accounts: Iterable[Account],
    certificates: Mapping[str, Sequence[str]],
    *,
    directory: Path,
    authority: Path,
    revoked: Path,
) -> dict[str, str]:
    """Write the settings of a listener whose clients show a certificate instead of a password.

    ``certificates``: as of :func:`certified_for_nats`; an account without one has no rights.
    """
    settings = (
        "allow_anonymous false\n"
        "require_certificate true\n"
        "use_identity_as_username true\n"
        "use_username_as_clientid true\n"
        "max_qos 1\n"
        f"cafile {authority}\n"
        f"crlfile {revoked}\n"
        f"acl_file {directory / 'mosquitto-acl'}\n"
    )
    shown = [account for account in accounts if certificates.get(account.user)]
    return {"mosquitto-users.conf": settings, "mosquitto-acl": _mosquitto_rights(shown)}


def _mosquitto_rights(accounts: Iterable[Account]) -> str:
    rights: list[str] = []
    for account in accounts:
        allowed = (
            ["read #", f"write {PROBE}"]
            if account.topics is None
            else [
                *(f"write {topic}" for topic in account.topics),
                *(f"read {topic}" for topic in account.heard),
            ]
        )
        rights.append(f"user {account.user}\n")
        rights += [f"topic {topic}\n" for topic in allowed]
    return "".join(rights)


def _mosquitto_hash(password: str) -> str:
    """Hash with PBKDF2 and SHA-512, as mosquitto_passwd does."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _PBKDF2_ROUNDS, 64)
    return f"$7${_PBKDF2_ROUNDS}${_base64(salt)}${_base64(digest)}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
