"""The path to net zero: what may be emitted in each year, and how what is emitted compares.

An allowance is a mass of a calendar year. All of it is gross: removals and credits are no part of
it. :mod:`.paths` says what is allowed, :mod:`.policies` which paths are published, :mod:`.progress`
how the actual figures compare, :mod:`.peak` whether they have peaked.
"""
