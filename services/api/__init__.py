"""The API: totals to people. It reads; it writes only configuration; it never blocks ingest.

Where do I go to ...?

- **... see what the parts are?** :mod:`.app`, the composition root.
- **... change an answer?** Its module in :mod:`.routes`; its shape is in :mod:`.models`.
- **... change what is read?** ``services.core.store``: ``live``, ``emissions``,
  ``reading_queries``, ``explain``.
- **... change an error?** :mod:`.problems`, the only place that answers errors.
- **... change who may see what?** :mod:`.auth`.
- **... change how live streams are fed?** :mod:`.live_feed`, woken by :mod:`.listen`.
- **... change the dashboard?** ``dashboard/``: static files over the public calls.
"""
