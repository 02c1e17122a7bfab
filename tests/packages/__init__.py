"""The Debian package on clean machines, with their own systemd: ``make packages``.

It is no part of ``make test``: a clean machine is downloaded and built, which takes minutes and
root.
"""
