"""The API: totals to people. It reads; it writes only configuration; it never blocks ingest.

Where do I go to ...?

- **... see what the parts are?** :mod:`.app`, the composition root.
- **... change an answer?** Its module in :mod:`.routes`; its shape is in :mod:`.models`.
- **... change what is read?** ``services.core.store.answers``, and
  ``store.readings.chart``.
- **... change an error?** :mod:`.http.problems`, the only place that answers errors.
- **... change who may see what?** :mod:`.auth`; how much of it: :mod:`.admission`.
- **... change how live streams are fed?** :mod:`.live.feed`, woken by :mod:`.live.listen`.
- **... change the dashboard?** ``dashboard/``: static files over the public calls.
"""
