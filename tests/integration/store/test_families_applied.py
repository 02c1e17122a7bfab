"""Every family's example file is put into force: its factors exist and fit its units."""

from __future__ import annotations

import psycopg

from services.core.facility.families.catalogue import families
from services.core.facility.file import parse
from services.core.store.database.connect import engine
from services.core.store.registry import read
from services.core.store.registry.apply import apply


def test_every_family_can_be_applied_beside_all_others(database_url: str) -> None:
    files = [parse(family.text) for family in families()]
    bind = engine(database_url, process="test")
    with bind.begin() as connection:
        for file in files:
            assert apply(connection, file), f"{file.facility.id}: nothing changed"
    bind.dispose()
    with psycopg.connect(database_url) as connection:
        registered = read.devices(connection)
    assert set(registered.by_name) == {
        (file.facility.id, device.id) for file in files for device in file.devices
    }
