"""The wheel's build hook: builds the documentation, which the wheel carries."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DocumentationHook(BuildHookInterface[Any]):
    """Builds the documentation into the package before its files are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build it for a wheel; an editable install is served what ``make`` builds."""
        if version == "editable":
            return
        sys.path.insert(0, str(Path(self.root)))
        try:
            # only now can it be found
            from deploy.site.build import build_if_stale  # noqa: PLC0415

            build_if_stale()
        finally:
            sys.path.remove(str(Path(self.root)))
