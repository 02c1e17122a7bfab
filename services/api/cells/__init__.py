"""One API over several databases: facilities are looked up, and answers put together.

Where do I go to ...?

- **... see where a facility lives, and what a move means for an answer?** :mod:`.all_cells`.
- **... say how a new call is answered over cells?** :mod:`.rules`: each call has a rule.
- **... change how a request finds its cell?** :mod:`.over_cells`.
- **... change how lists of several cells are put together?** :mod:`.merge`, and :mod:`.cursors`
  for their pages.

Routes know nothing of it: each answers from the one database of its context. The decision behind it
is in ``deploy/docs/adr``.
"""
