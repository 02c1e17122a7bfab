"""Why a query has no answer, as Prometheus tells it."""

from __future__ import annotations


class QueryError(Exception):
    """The query has no answer; the message says why."""


class BadQueryError(QueryError):
    """It is not written as the language wants it, or asks for what is not spoken here."""


class ExecutionError(QueryError):
    """Its series do not fit together, or are more than one answer may take."""


class GivenUpError(QueryError):
    """Nobody waits for the answer any more."""
