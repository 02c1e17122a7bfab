"""``python -m deploy.site``: build the documentation unless that is done already."""

from __future__ import annotations

import logging
import sys

from mkdocs.exceptions import MkDocsException

from deploy.site.build import build_if_stale

if __name__ == "__main__":
    # a warning names the page and the link
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        build_if_stale()
    except MkDocsException as error:
        sys.exit(f"the documentation cannot be built: {error}")
