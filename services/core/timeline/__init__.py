"""Time: instants, their units, durations and windows. One home for each conversion.

- :mod:`.instants`: aware datetimes to whole microseconds and minutes since the epoch, and back.
- :mod:`.relative`: what people write for an instant: dates, ``now-7d``, ``now/d``.
- :mod:`.durations`: what people write for a length of time.
- :mod:`.intervals`: half-open intervals of minutes.
- :mod:`.windows`: the rolling and calendar windows that totals and thresholds cover.

Every interval is half-open, ``[start, end)``, unless a name says ``last``.
"""
