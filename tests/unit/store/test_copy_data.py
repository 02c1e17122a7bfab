"""Columns as binary COPY reads them: byte for byte what psycopg writes row by row."""

from __future__ import annotations

import struct

import numpy as np

from services.core.store.database.arrays import copy_data

_BEGIN = b"PGCOPY\n\xff\r\n\x00" + bytes(8)


def test_each_row_counts_its_fields_and_each_field_its_bytes() -> None:
    data = copy_data(
        {
            "channel": np.array([7, -8], dtype=np.int32),
            "value": np.array([1.5, -2.5]),
            "quality": np.array([0, 3], dtype=np.int16),
        }
    )
    rows = b"".join(
        struct.pack(">hiiidih", 3, 4, channel, 8, value, 2, quality)
        for channel, value, quality in ((7, 1.5, 0), (-8, -2.5, 3))
    )
    assert data == _BEGIN + rows + b"\xff\xff"


def test_what_is_absent_has_the_length_minus_one_and_no_bytes() -> None:
    data = copy_data(
        {"value": np.array([1.5, np.nan]), "quality": np.array([0, 3], dtype=np.int16)},
        {"value": np.array([False, True])},
    )
    rows = struct.pack(">hidih", 2, 8, 1.5, 2, 0) + struct.pack(">hiih", 2, -1, 2, 3)
    assert data == _BEGIN + rows + b"\xff\xff"


def test_no_rows_are_a_copy_of_nothing() -> None:
    assert copy_data({"value": np.zeros(0)}) == _BEGIN + b"\xff\xff"
