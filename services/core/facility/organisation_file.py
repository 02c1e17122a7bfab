"""Read an organisation's file: YAML or JSON into the model, every error with its line."""

from __future__ import annotations

import re

from pydantic import ValidationError

from services.core.facility.file import (
    MAX_BYTES,
    FacilityFileError,
    load,
    mistakes,
    plain,
)
from services.core.facility.organisation import OrganisationFile

_BEGINS = re.compile(r"""^\s*\{?\s*["']?organisation["']?\s*:""", re.MULTILINE)
_FACILITY = re.compile(r"""^\s*\{?\s*["']?facility["']?\s*:""", re.MULTILINE)


def is_of_organisation(text: str) -> bool:
    """Return whether a file is an organisation's, and no facility's."""
    return _BEGINS.search(text) is not None and _FACILITY.search(text) is None


def parse_organisation(text: str, *, max_bytes: int = MAX_BYTES) -> OrganisationFile:
    """Read and check an organisation's file.

    :raises FacilityFileError: with every problem found, each with its line.
    """
    document = load(text, max_bytes)
    try:
        return OrganisationFile.stated(plain(document))
    except ValidationError as error:
        raise FacilityFileError(mistakes(error, document, OrganisationFile)) from None
