"""Factors by the hour: the values of series, each with since when it is known.

- :mod:`.names`: which series there are.
- :mod:`.values`: read what holds in hours, as arrays, now or as it was known at an instant.
- :mod:`.methods`: give methods of sources those hours; what holds by another factor is theirs to
  say (:func:`services.core.accounting.factor_spans.per_unit`, and ``used`` there by what).
- :mod:`.record`: write values; what used the hours that change is computed again.
- :mod:`.changed_hours`: for which hours a change of values changes what holds.
- :mod:`.users`: the sources that count by a series, and what queues them.
"""
