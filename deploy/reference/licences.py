"""The page of licences: of every package that tonne needs to run, and of its optional parts."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, distribution
from typing import Final

from deploy.debian.runtime_requirements import needed
from deploy.reference.markdown import code, page, table

#: SPDX names of licences that a package may have. Those with a weaker hold on what uses them
#: (LGPL, MPL) are met by packages that are installed apart and not changed.
ALLOWED: Final = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC",
        "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT", "MIT-0",
        "MIT-CMU", "MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib",
    }
)  # fmt: skip

#: What packages say that name no SPDX licence.
_SAID: Final[dict[str, str]] = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause license": "BSD-3-Clause",
    "bsd-derived (http://www.repoze.org/license.txt)": "BSD-3-Clause",
    "gnu library or lesser general public license (lgpl)": "LGPL-2.1-or-later",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
}  # fmt: skip

#: Packages whose metadata name no licence; the licence file that comes with them does.
_BY_FILE: Final = {"promql-parser": "MIT"}

_OPERATORS: Final = re.compile(r"\s+(?:AND|OR|WITH)\s+|[()]")


def licence_of(package: Distribution) -> str:
    """Return a package's licence as SPDX says it, or as the package does where nobody knows."""
    meta = package.metadata.json
    if package.name in _BY_FILE:
        return _BY_FILE[package.name]
    expression = meta.get("license_expression")
    if expression:
        return str(expression)
    classifiers = [
        text.rsplit(" :: ", 1)[1]
        for text in meta.get("classifier") or []
        if text.startswith("License :: ") and not text.endswith("OSI Approved")
    ]
    texts = classifiers or [str(meta.get("license") or "unknown").strip().splitlines()[0]]
    return " OR ".join(sorted({_SAID.get(text.lower(), text) for text in texts}))


def allowed(licence: str) -> bool:
    """Whether every licence of an expression is among the allowed, or one of a choice is."""
    choices = [part for part in re.split(r"\s+OR\s+", licence) if part]
    return any(
        all(name in ALLOWED for name in _OPERATORS.split(choice) if name) for choice in choices
    )


def page_of_licences() -> str:
    """Return the page."""
    rows = [(code(name), licence_of(distribution(name))) for name in sorted(needed("3.11"))]
    return page(
        "Licences",
        "tonne is under Apache-2.0. It is installed together with these packages, each under its"
        " own licence; none is changed or copied into tonne. `make sbom` lists them with versions"
        " and digests, as CycloneDX. A test refuses a package whose licence is none of "
        + ", ".join(sorted(ALLOWED))
        + ".",
        table(("package", "licence"), rows),
    )
