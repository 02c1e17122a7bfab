"""Alerting: from values, minute by minute, to states; data time alone decides.

``measures`` are what can be watched, ``verdicts`` compares values with limits, ``states`` turns
verdicts into transitions, ``episodes`` transitions into alerts.
"""
