"""Sign what a release consists of, and say what it was made from; works without a network.

``python -m deploy.release.attest sign KEY DIRECTORY`` writes beside the files of a release

``SHA256SUMS``, ``SHA256SUMS.sig``   digests of all, and the signature of that list
``provenance.intoto.json``           an in-toto statement of SLSA provenance v1 in a DSSE envelope

by an Ed25519 key in PEM, such as ``openssl genpkey -algorithm ed25519`` makes. ``verify`` takes
the public key instead. OpenSSL verifies the list, ``cosign verify-blob-attestation`` the envelope.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_SUMS: Final = "SHA256SUMS"
_SIGNATURE: Final = "SHA256SUMS.sig"
_PROVENANCE: Final = "provenance.intoto.json"
_OWN: Final = frozenset({_SUMS, _SIGNATURE, _PROVENANCE})
_TYPE: Final = "application/vnd.in-toto+json"
_ROOT = Path(__file__).parents[2]


class AttestationError(ValueError):
    """The files are not what was signed; the message says which."""


def sign(key: Ed25519PrivateKey, directory: Path, *, source: dict[str, str]) -> None:
    """Sign every file of a directory; ``source``: the commit and version it was made from."""
    digests = _digests(directory)
    sums = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    (directory / _SUMS).write_text(sums, encoding="utf-8")
    (directory / _SIGNATURE).write_bytes(key.sign(sums.encode()))
    payload = json.dumps(_statement(digests, source), sort_keys=True).encode()
    envelope = {
        "payloadType": _TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"sig": base64.b64encode(key.sign(_encoded(payload))).decode()}],
    }
    (directory / _PROVENANCE).write_text(json.dumps(envelope, indent=1), encoding="utf-8")


def verify(key: Ed25519PublicKey, directory: Path) -> dict[str, Any]:
    """Return the provenance of a directory whose files are what was signed.

    :raises AttestationError: a signature is wrong, or a file is missing, new or changed.
    """
    sums = (directory / _SUMS).read_bytes()
    envelope = json.loads((directory / _PROVENANCE).read_text(encoding="utf-8"))
    payload = base64.b64decode(envelope["payload"])
    try:
        key.verify((directory / _SIGNATURE).read_bytes(), sums)
        key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), _encoded(payload))
    except InvalidSignature:
        raise AttestationError("a signature is not of this key") from None
    listed = dict(reversed(line.split("  ", 1)) for line in sums.decode().splitlines())
    statement: dict[str, Any] = json.loads(payload)
    subjects = {entry["name"]: entry["digest"]["sha256"] for entry in statement["subject"]}
    digests = _digests(directory)
    if differing := {*listed.items(), *subjects.items()} ^ set(digests.items()):
        raise AttestationError(
            f"not as it was signed: {', '.join(sorted(n for n, _ in differing))}"
        )
    return statement


def _digests(directory: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.iterdir())
        if path.is_file() and path.name not in _OWN
    }


def _statement(digests: dict[str, str], source: dict[str, str]) -> dict[str, Any]:
    lock = hashlib.sha256((_ROOT / "requirements.lock").read_bytes()).hexdigest()
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": d}} for name, d in digests.items()],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:tonne:release:make-release:v1",
                "externalParameters": {"version": source["version"]},
                "resolvedDependencies": [
                    {"name": "source", "digest": {"gitCommit": source["commit"]}},
                    {"name": "requirements.lock", "digest": {"sha256": lock}},
                ],
            },
            "runDetails": {"builder": {"id": "urn:tonne:release:by-hand"}},
        },
    }


def _encoded(payload: bytes) -> bytes:
    """Encode what a DSSE signature is over (PAE of dsse/protocol.md)."""
    return b"DSSEv1 %d %s %d %s" % (len(_TYPE), _TYPE.encode(), len(payload), payload)


def _git(*words: str) -> str:
    return subprocess.run(  # noqa: S603 - of our own making
        ["git", *words], cwd=_ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def main(verb: str, key_file: str, directory: str) -> int:
    """Sign or verify; return the exit code."""
    pem, folder = Path(key_file).read_bytes(), Path(directory)
    if verb == "sign":
        private = serialization.load_pem_private_key(pem, None)
        if not isinstance(private, Ed25519PrivateKey):
            sys.stderr.write("attest: the key is not of Ed25519\n")
            return 1
        if _git("status", "--porcelain"):
            sys.stderr.write("attest: the checkout has changes that no commit has\n")
            return 1
        source = {"commit": _git("rev-parse", "HEAD"), "version": _git("describe", "--always")}
        sign(private, folder, source=source)
        return 0
    public = serialization.load_pem_public_key(pem)
    if not isinstance(public, Ed25519PublicKey):
        sys.stderr.write("attest: the key is not of Ed25519\n")
        return 1
    try:
        statement = verify(public, folder)
    except (AttestationError, OSError) as error:
        sys.stderr.write(f"attest: {error}\n")
        return 1
    made_of = statement["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"]
    sys.stdout.write(f"{len(statement['subject'])} files are of commit {made_of['gitCommit']}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:4]))
