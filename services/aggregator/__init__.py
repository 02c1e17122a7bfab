"""Readings become totals; owns time: minutes, hours, windows, late data.

One tick is one transaction for one facility, in the order of these modules:

1. :mod:`services.core.store.emissions.claims` takes the (channel, minute) pairs whose readings
   changed.
2. :mod:`.expand` finds every minute that they may speak of, per source.
3. :mod:`services.core.store.computation.compute` takes the readings around those minutes, those
   that :mod:`.head` remembers among them, and computes the sources' masses.
4. :mod:`services.core.store.emissions.minutes_and_hours` writes what differs: minutes, hours,
   rolling totals.
5. :mod:`.minute_rollover` says what a new minute brings: what still holds, leaves a window, or
   closes.
6. :mod:`.alerts.evaluate` compares every value that changed with its thresholds: transitions,
   alerts (in :mod:`.alerts.raise_alerts`), and the outbox's rows that announce them.

:mod:`.audit` computes totals a second time: to verify them, or to see what a change would do.

Before these, :mod:`.restate_factor` restates a part of the hours that a corrected factor changes.

A crash repeats a tick; none is half done. Late, duplicate and out-of-order readings are the same
path: minutes are always computed from all their readings.
"""
