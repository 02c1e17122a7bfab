"""The folder of backups: what is whole, what is damaged, what may go."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.core.backup import folder, wal
from services.core.backup.base_backup import first_segment
from services.core.backup.problem import BackupError

_AT = datetime(2026, 11, 30, 1, 20, tzinfo=UTC)
_SEGMENT = 16 << 20


def _made(inside: Path, at: datetime = _AT) -> Path:
    with folder.new_backup(inside, at) as made:
        (made / "database").mkdir()
        (made / "database" / "base.tar.gz").write_bytes(b"rows")
        folder.describe(
            made,
            folder.About(
                began_at=at,
                ended_at=at + timedelta(seconds=5),
                tonne="0.1.0",
                schema="0081",
                postgresql="15.14",
                timescaledb="2.19.3",
                database="tonne",
                segment_bytes=_SEGMENT,
                first_segment="000000010000000000000002",
                streams={"$MQTT_msgs": 3},
                files=folder.digests(made),
            ),
        )
    return folder.chosen(inside)


def test_a_backup_is_there_once_it_is_whole(tmp_path: Path) -> None:
    with suppress(ZeroDivisionError), folder.new_backup(tmp_path, _AT) as made:
        (made / "file").touch()
        assert folder.backups(tmp_path) == []
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    assert _made(tmp_path).name == "2026-11-30T01-20-00Z"
    with pytest.raises(BackupError, match="is there already"):
        _made(tmp_path)


def test_what_a_killed_backup_left_is_removed_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / "2026-11-29T01-20-00Z.partial"
    left.mkdir()
    (left / "backup.json").touch()
    assert folder.backups(tmp_path) == []
    with pytest.raises(BackupError, match="there is no backup"):
        folder.chosen(tmp_path)
    _made(tmp_path)
    assert not left.exists()


def test_every_changed_missing_and_foreign_file_is_named(tmp_path: Path) -> None:
    backup = _made(tmp_path)
    assert folder.damage(backup) == []
    (backup / "database" / "base.tar.gz").write_bytes(b"Rows")
    (backup / "database" / "more").touch()
    assert folder.damage(backup, [folder.BROKER]) == []
    assert folder.damage(backup) == [
        "database/more does not belong to it",
        "database/base.tar.gz has changed since it was written",
    ]
    (backup / "database" / "base.tar.gz").unlink()
    assert "database/base.tar.gz is missing" in folder.damage(backup)
    (backup / "backup.json").write_text("{")
    with pytest.raises(BackupError, match=r"backup\.json cannot be read"):
        folder.damage(backup)


def test_the_newest_backups_stay(tmp_path: Path) -> None:
    made = [_made(tmp_path, _AT + timedelta(days=day)) for day in range(4)]
    assert folder.prune(tmp_path, 2) == made[:2]
    assert folder.backups(tmp_path) == made[2:]
    assert folder.prune(tmp_path, 2) == []


@pytest.mark.parametrize(
    ("start", "segment"),
    [
        ("0/2000028", "000000030000000000000002"),
        ("0/FF000028", "0000000300000000000000FF"),
        ("1/0", "000000030000000100000000"),
        ("A2/B3C4D5E6", "00000003000000A2000000B3"),
    ],
)
def test_the_first_segment_is_where_the_manifest_says_the_copy_began(
    tmp_path: Path, start: str, segment: str
) -> None:
    (tmp_path / "backup_manifest").write_text(
        '{"PostgreSQL-Backup-Manifest-Version": 1, "Files": [], "WAL-Ranges":'
        f' [{{"Timeline": 3, "Start-LSN": "{start}", "End-LSN": "FF/0"}}]}}'
    )
    assert first_segment(tmp_path, _SEGMENT) == segment


def test_the_log_is_followed_up_to_its_first_gap(tmp_path: Path) -> None:
    for name in ("0000000100000000000000FE", "0000000100000000000000FF",
                 "000000020000000100000000", "000000020000000100000002.partial",
                 "00000002.history"):  # fmt: skip
        (tmp_path / name).touch()
    found = wal.since(tmp_path, "0000000100000000000000FF", _SEGMENT)
    assert [path.name for path in found] == [
        "00000002.history", "0000000100000000000000FF", "000000020000000100000000"
    ]  # fmt: skip
    assert wal.since(tmp_path, "0000000100000000000000FD", _SEGMENT) == []
    assert wal.since(tmp_path / "none", "0000000100000000000000FD", _SEGMENT) == []
    assert wal.written_at([]) is None


def test_what_a_timeline_that_was_left_has_beyond_does_not_follow(tmp_path: Path) -> None:
    for name in ("000000010000000000000001", "000000010000000000000002",
                 "000000020000000000000002.partial", "000000010000000000000003"):  # fmt: skip
        (tmp_path / name).touch()
    found = wal.since(tmp_path, "000000010000000000000001", _SEGMENT)
    assert [path.name for path in found] == [
        "000000010000000000000001", "000000020000000000000002.partial"
    ]  # fmt: skip


def test_what_no_backup_needs_of_the_log_goes(tmp_path: Path) -> None:
    for piece in range(5):
        (tmp_path / f"00000001000000000000000{piece}").touch()
    (tmp_path / "000000010000000000000005.partial").touch()
    assert wal.prune(tmp_path, "000000010000000000000003", _SEGMENT) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "000000010000000000000003", "000000010000000000000004",
        "000000010000000000000005.partial",
    ]  # fmt: skip
