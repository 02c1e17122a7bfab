"""Pollutants of a stack beside CO2: means at reference conditions, masses, and limits.

:mod:`.means` makes the mean of an interval from what was measured in it, by the rule that
:mod:`.standardisation` states; :mod:`.limits` says which means a limit is about, and
:mod:`.compliance` counts them. All of it is pure: what is stored is the mean of an interval, from
which days, months and verdicts follow.
"""
