"""What people read, in their language: catalogues in gettext's form, with the English text as key.

Pages, their modules and reports are written in English. ``t`` of ``words.js``, ``_`` of a template
and ``_`` of a report look a text up; ``python -m services.api.languages`` collects the texts into
``de.po`` and ``zh.po``, and a test holds them complete.
"""

from __future__ import annotations

from typing import Final

ENGLISH: Final = "en"

#: The languages, each by the name that its readers know.
LANGUAGES: Final = {ENGLISH: "English", "de": "Deutsch", "zh": "中文"}
