"""The independent witness: meters and stacks that publish over MQTT and know what they emitted.

Nothing here imports from ``services``, not even a constant: a round trip through tonne is only
proof when the two ends were written apart. Where do I go to ...?

==========================================  ==========================
change what a facility looks like           ``worlds``
change how a register rises                 ``registers``
change how a stack breathes                 ``signals``
see what a sample or a channel is           ``devices``
see the bytes of a message                  ``payloads``, ``mqtt_packets``
see when a message counts as delivered      ``publisher``
check how the true totals are computed      ``truth``
publish live, history, a file, or a flood   ``live``, ``backfill``, ``replay``, ``load``
find a flag of the command                  ``cli``
==========================================  ==========================
"""

from __future__ import annotations
