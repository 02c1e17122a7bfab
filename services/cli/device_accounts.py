"""Accounts of devices in the words of a broker: who may publish what, and with which password.

A device id is its MQTT user name. Passwords are made here and kept nowhere: a broker gets a hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import bcrypt

from services.core.store.registry.facility_model import own_topic
from services.core.store.registry.read import Device
from services.ingest.jetstream_subjects import subjects

_SECRET_BYTES: Final = 24

#: Secrets of 192 random bits cannot be guessed: what a hash costs would only slow connects down.
_BCRYPT_ROUNDS: Final = 5
_PBKDF2_ROUNDS: Final = 101

#: The account of tonne itself: as soon as a broker asks for passwords, its services need one.
TONNE: Final = "tonne"


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A user of the broker; ``topics`` None: all of them, to read and to write."""

    user: str
    topics: Sequence[str] | None
    password: str = field(repr=False, default_factory=lambda: secrets.token_urlsafe(_SECRET_BYTES))


def topics(device: Device) -> list[str]:
    """Topic filters of what a device may publish: its readings and status, and its own topics."""
    native = f"emissions/{device.facility}/{device.slug}"
    own = {own_topic(device.topic, each.spec.get("topic")) for each in device.channels.values()}
    return [f"{native}/readings", f"{native}/status", *sorted(topic for topic in own if topic)]


def for_nats(accounts: Iterable[Account]) -> dict[str, str]:
    """A file for tonne.conf to include: the users of ``authorization``, a line for each."""
    lines = [f"    {_nats_user(account)}" for account in accounts]
    text = "\n".join(["authorization {", "  users: [", *lines, "  ]", "}", ""])
    return {"nats-users.conf": text}


def _nats_user(account: Account) -> str:
    # NATS knows hashes by this prefix only
    salt = bcrypt.gensalt(_BCRYPT_ROUNDS, prefix=b"2a")
    parts = [
        f"user: {json.dumps(account.user)}",
        f"password: {json.dumps(bcrypt.hashpw(account.password.encode(), salt).decode())}",
    ]
    if account.topics is not None:
        allowed = json.dumps(sorted(subjects(account.topics)), ensure_ascii=False)
        parts.append(f'permissions: {{publish: {allowed}, subscribe: {{deny: ">"}}}}')
    return f"{{{', '.join(parts)}}}"


def for_mosquitto(accounts: Iterable[Account]) -> dict[str, str]:
    """What ``password_file`` and ``acl_file`` name."""
    passwords: list[str] = []
    rights: list[str] = []
    for account in accounts:
        passwords.append(f"{account.user}:{_mosquitto_hash(account.password)}\n")
        allowed = (
            ["readwrite #"]
            if account.topics is None
            else [f"write {topic}" for topic in account.topics]
        )
        rights.append(f"user {account.user}\n")
        rights += [f"topic {each}\n" for each in allowed]
    return {"mosquitto-passwords": "".join(passwords), "mosquitto-acl": "".join(rights)}


def _mosquitto_hash(password: str) -> str:
    """PBKDF2 with SHA-512, as mosquitto_passwd writes it."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _PBKDF2_ROUNDS, 64)
    return f"$7${_PBKDF2_ROUNDS}${_base64(salt)}${_base64(digest)}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
