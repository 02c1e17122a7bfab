"""Minutes computed from stored readings: what the aggregator writes, and answers of the past show.

- :mod:`.compute` takes readings of a plan's channels, and computes its sources' masses.
- :mod:`.ranges` holds the minutes to compute; :mod:`.computable_ranges` leaves out those whose
  readings were dropped.
- :mod:`.minutes_as_known` computes them from the readings that were there at an instant.

Nothing here writes.
"""
