"""Of several databases of a process each is told from the others when it hangs."""

from __future__ import annotations

from services.core.store.database.hanging import Listener, was_cut


def test_one_that_answers_says_nothing_of_another_that_hangs() -> None:
    hanging, other = Listener("postgresql://one/tonne"), Listener("postgresql://two/tonne")
    hanging.gives_up()
    other.alive()
    assert was_cut()
    hanging.alive()
    assert not was_cut()
