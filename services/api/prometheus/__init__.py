"""Prometheus' query language over series of samples: pure functions, which know no database.

Semantics are those of Prometheus 2.42 (ADR 0087): ranges and the lookback include both their ends.
"""
