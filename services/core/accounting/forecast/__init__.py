"""What a running day, month or year comes to: an expectation with its band, never a measurement.

:mod:`.methods` continue a series, :mod:`.past_forecasts` says how wrong each of them was before,
:mod:`.outlook` takes the best of them, or says why nothing can be said.
"""
