"""A small authority for devices' certificates, in a directory.

==================================  ============================================================
``authority.key``                   its private key: who has it can make any device's certificate
``authority.pem``                   its certificate, which brokers trust
``issued.json``                     what it issued and what of that it revoked
``revoked.pem``                     the revocation list, for mosquitto
``certificates/ACCOUNT/``           ``certificate.pem`` and ``key.pem`` of an account
==================================  ============================================================
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.core.runtime.to_disk import to_disk

#: What a device whose clock is a little behind may connect with at once.
_CLOCKS_DIFFER: Final = timedelta(minutes=10)
_LIFE_OF_THE_AUTHORITY: Final = timedelta(days=7300)

#: A certificate is renewed in the last third of its life.
_RENEWED_AT: Final = 2 / 3


#: A certificate's common name, which mosquitto takes for the user: X.520 allows no longer one.
LONGEST_ACCOUNT: Final = 64


class AuthorityError(ValueError):
    """The directory cannot be used; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """One that was issued; the times are UTC."""

    account: str
    serial: str
    begins: datetime
    ends: datetime
    revoked: datetime | None = None

    @property
    def name(self) -> str:
        """What NATS knows its holder by: this certificate of this account, and no other one."""
        return f"urn:tonne:{self.account}:{self.serial}"

    def state(self, now: datetime) -> str:
        """Say whether it is valid, is due to be renewed, ended by itself, or was revoked."""
        if self.revoked is not None:
            return "revoked"
        if now >= self.ends:
            return "expired"
        due = self.begins + (self.ends - self.begins) * _RENEWED_AT
        return "renewal due" if now >= due else "valid"

    def usable(self, now: datetime) -> bool:
        """Whether its holder may still come in with it."""
        return self.state(now) in ("valid", "renewal due")


class Authority:
    """The authority of a directory; made by :func:`opened`, which holds it for one at a time."""

    def __init__(
        self, directory: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> None:
        self.directory = directory
        self.certificate_file = directory / "authority.pem"
        self.revoked_file = directory / "revoked.pem"
        self._key = key
        self._certificate = certificate
        index = _index(directory / "issued.json")
        self.issued = [_of_json(entry) for entry in index["certificates"]]
        #: what the broker's settings were written for, and the digest of tonne's own password
        self.notes: dict[str, str] = index["notes"]

    def newest(self, account: str) -> Certificate | None:
        """Return the account's last certificate that was not revoked."""
        return next(
            (c for c in reversed(self.issued) if c.account == account and not c.revoked), None
        )

    def issue(self, account: str, *, days: int, now: datetime) -> Certificate:
        """Make a key and a certificate for a client, into files; earlier ones stay valid."""
        serial = x509.random_serial_number()
        made = Certificate(
            account=account,
            serial=f"{serial:x}",
            begins=(now - _CLOCKS_DIFFER).replace(microsecond=0),
            ends=(now + timedelta(days=days)).replace(microsecond=0),
        )
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(made.name)]
        self._sign(made, serial, names, ExtendedKeyUsageOID.CLIENT_AUTH)
        self.issued.append(made)
        return made

    def issue_server(self, names: Sequence[str], *, days: int, now: datetime) -> Certificate:
        """Make a key and a certificate for the broker; devices check it by ``authority.pem``."""
        serial = x509.random_serial_number()
        made = Certificate(
            account="broker",
            serial=f"{serial:x}",
            begins=now - _CLOCKS_DIFFER,
            ends=now + timedelta(days=days),
        )
        self._sign(made, serial, [_host(name) for name in names], ExtendedKeyUsageOID.SERVER_AUTH)
        self.issued.append(made)
        return made

    def revoke(self, account: str, *, serial: str | None, now: datetime) -> list[Certificate]:
        """Revoke an account's certificates, or the one of them with ``serial``."""
        revoked = []
        for place, certificate in enumerate(self.issued):
            meant = certificate.account == account and serial in (None, certificate.serial)
            if meant and certificate.usable(now):
                self.issued[place] = replace(certificate, revoked=now.replace(microsecond=0))
                revoked.append(self.issued[place])
        return revoked

    def usable(self, now: datetime) -> dict[str, list[str]]:
        """Return the names of every account's usable certificates."""
        names: dict[str, list[str]] = {}
        for certificate in self.issued:
            if certificate.usable(now):
                names.setdefault(certificate.account, []).append(certificate.name)
        return names

    def save(self, now: datetime) -> None:
        """Write the revocation list and the list of what was issued."""
        revocations = x509.CertificateRevocationListBuilder(
            issuer_name=self._certificate.subject,
            last_update=now,
            # a broker refuses everybody by a list that is out of date
            next_update=self._certificate.not_valid_after_utc,
        ).add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        for certificate in self.issued:
            if certificate.revoked is not None:
                revocations = revocations.add_revoked_certificate(
                    x509.RevokedCertificateBuilder()
                    .serial_number(int(certificate.serial, 16))
                    .revocation_date(certificate.revoked)
                    .build()
                )
        entries = [
            {name: _plain(value) for name, value in asdict(certificate).items()}
            for certificate in self.issued
        ]
        # first what lets nobody in who was turned out
        write(
            self.revoked_file,
            revocations.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        )
        index = {"notes": self.notes, "certificates": entries}
        write(self.directory / "issued.json", json.dumps(index, indent=1).encode(), mode=0o600)

    def files(self, account: str) -> tuple[Path, Path]:
        """Return where an account's certificate and key are."""
        directory = self.directory / "certificates" / account
        return directory / "certificate.pem", directory / "key.pem"

    def _sign(
        self,
        made: Certificate,
        serial: int,
        names: list[x509.GeneralName],
        purpose: x509.ObjectIdentifier,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            x509.CertificateBuilder(
                subject_name=_common_name(made.account),
                issuer_name=self._certificate.subject,
                public_key=key.public_key(),
                serial_number=serial,
                not_valid_before=made.begins,
                not_valid_after=min(made.ends, self._certificate.not_valid_after_utc),
            )
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            # a device's certificate is none for a broker, and the other way round
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        certificate_file, key_file = self.files(made.account)
        certificate_file.parent.mkdir(parents=True, exist_ok=True)
        write(key_file, _private(key), mode=0o600)
        write(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))


@contextmanager
def opened(directory: Path) -> Iterator[Authority]:
    """Hold the authority of a directory; make it where there is none.

    :raises AuthorityError: the directory cannot be used.
    """
    key_file, certificate_file = directory / "authority.key", directory / "authority.pem"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (directory / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not key_file.exists():
                _make(key_file, certificate_file)
            key = serialization.load_pem_private_key(key_file.read_bytes(), None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise AuthorityError(f"{key_file} holds no key of an elliptic curve")
            certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
            if certificate.public_key() != key.public_key():
                raise AuthorityError(f"{key_file} is not the key of {certificate_file}")
            yield Authority(directory, key, certificate)
    except OSError as error:
        raise AuthorityError(f"cannot use {error.filename} ({error.strerror})") from None


def write(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Put a file in place whole, readable by nobody else from its first byte on where so asked.

    :raises OSError: it cannot be written.
    """
    made = path.with_name(f".{path.name}.new")
    made.unlink(missing_ok=True)
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    to_disk(made)
    made.rename(path)
    to_disk(path.parent)


def _make(key_file: Path, certificate_file: Path) -> None:
    if certificate_file.exists():
        raise AuthorityError(
            f"{certificate_file} is there and {key_file.name} is not; bring the key back, or take"
            " another directory and give every device a new certificate"
        )
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    name = _common_name(f"tonne's devices {x509.random_serial_number() % 16**8:08x}")
    certificate = (
        x509.CertificateBuilder(
            subject_name=name,
            issuer_name=name,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - _CLOCKS_DIFFER,
            not_valid_after=now + _LIFE_OF_THE_AUTHORITY,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    # a key without its certificate is of no use, and the next run says so
    write(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    write(key_file, _private(key), mode=0o600)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _index(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"notes": {}, "certificates": []}
    try:
        index: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError:
        raise AuthorityError(f"{path} is damaged; bring it back from a backup") from None
    return index


def _of_json(entry: dict[str, Any]) -> Certificate:
    times = {
        name: datetime.fromisoformat(entry[name]) if entry[name] else None
        for name in ("begins", "ends", "revoked")
    }
    return Certificate(account=entry["account"], serial=entry["serial"], **times)  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
