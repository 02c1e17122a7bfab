"""Devices that nobody registered: what their messages say, and the piece of a file they become.

Pure: from topics and payloads to :class:`.learning.Learned`, and from that to
:class:`.proposals.Proposal`, in the language of facility files. Nothing here counts anything.
"""
