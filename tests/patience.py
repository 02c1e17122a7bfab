"""How long tests wait for what must come about.

What comes true ends a wait at once, so patience costs nothing; too little of it fails a test on a
machine that is busy. The timeout of a test lies above it: a wait that fails says what never came.
"""

from __future__ import annotations

#: For one condition, an answer, or the end of a process.
PATIENCE_S = 90.0
