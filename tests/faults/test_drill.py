"""Everything is lost but the folder of backups, and comes back equal to the bit."""

from __future__ import annotations

import pytest

from tests.faults.drill import play
from tests.services import server_directory

pytestmark = [pytest.mark.database, pytest.mark.broker, pytest.mark.timeout(600)]


def test_what_was_followed_comes_back_to_the_bit() -> None:
    with server_directory() as folder:
        played = play("mqtt", seed=1, number=0, folder=folder)
    assert played.passed, played
    assert played.acknowledged > 0
