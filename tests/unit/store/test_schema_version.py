from __future__ import annotations

from alembic.script import ScriptDirectory

from services.core.store.database import schema_version


def test_the_newest_step_is_the_one_with_the_highest_number() -> None:
    """Every process asks; Alembic, which follows the steps' own words, takes long to load."""
    script = ScriptDirectory(str(schema_version.MIGRATIONS))
    assert schema_version.newest_revision() == script.get_current_head()
    steps = {each.revision for each in script.walk_revisions()}
    assert steps
    assert all(schema_version.is_known(each) for each in steps)
    assert not schema_version.is_known("9999")
