"""Alerting: from values, minute by minute, to states; data time alone decides.

``measures`` names what can be watched and over which windows, ``verdicts`` tells what a value says
of a limit, ``states`` turns verdicts into transitions, ``episodes`` transitions into alerts.
"""
