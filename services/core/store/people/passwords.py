"""Passwords: what is kept in their place, and how one is checked.

Argon2id with the parameters of the library, which follow RFC 9106. Of a new password only the
length is checked, as NIST SP 800-63B-4, 3.1.1.2 asks: no rules on characters, no expiry.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

#: Characters; the least of a password that is the only factor.
SHORTEST: Final = 15
LONGEST: Final = 256

_HASHER: Final = PasswordHasher()


class PasswordError(ValueError):
    """A password cannot be taken; the message says why."""


def hash_password(password: str) -> str:
    """Return what is stored of a password: parameters, salt and hash.

    :raises PasswordError: it is too short or too long.
    """
    normal = _normal(password)
    if not SHORTEST <= len(normal) <= LONGEST:
        raise PasswordError(
            f"a password has {SHORTEST} to {LONGEST} characters, for instance four words"
        )
    return _HASHER.hash(normal)


def is_password(password: str, stored: str | None) -> bool:
    """Check a password. It takes as long where nothing is stored, and is wrong then."""
    try:
        _HASHER.verify(_nobodys() if stored is None else stored, _normal(password))
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def is_outdated(stored: str) -> bool:
    """Return whether the parameters have become stronger since it was stored."""
    return _HASHER.check_needs_rehash(stored)


@cache
def _nobodys() -> str:
    return _HASHER.hash("what nobody is asked for")


def _normal(password: str) -> str:
    """Return one spelling of what looks the same, whatever the keyboard sends."""
    return unicodedata.normalize("NFKC", password)
