"""Facilities over several databases: which cell this is, and how a facility moves to another.

Where do I go to ...?

- **... see what a cell is?** :mod:`.identity`; how rows of several cells get
  numbers of their own is :mod:`.numbers`.
- **... see what belongs to a facility, and where it waits?** :mod:`.parts`.
- **... change how two databases are compared, and made equal?** :mod:`.equality`.
- **... follow a move?** :mod:`.move`, step by step: :mod:`.departure` in the old cell,
  :mod:`.arrival` in the new one, :mod:`.late_messages` for what came too late, :mod:`.clearing` for
  the old rows.

The decision behind it is in ``deploy/docs/adr``: a facility lives where its registry is.
"""
