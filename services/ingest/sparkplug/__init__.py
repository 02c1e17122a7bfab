"""A host application of Sparkplug B: edge nodes' births, aliases and order, up to plain readings.

Pure but for :mod:`.door`, the thread, and :mod:`.connection`, the network:

- :mod:`.topics`: what a topic speaks of.
- :mod:`.births`: what a birth explains, and what holds between two of them.
- :mod:`.session`: one edge node: (state, what arrives, now) -> (state, :mod:`.effects`).
- :mod:`.hub`: all of them, and what is handed over; :mod:`.publishers`: to whom.
- :mod:`.certificate`: what this host says of itself.
- :mod:`.rebirth`: the one command that it sends.
- :mod:`.proposals`: channels that a birth proposes.

The statements of the specification that it keeps are tests, each under its id.
"""
