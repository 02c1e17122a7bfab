"""Ingest: MQTT -> readings. Promise: a message is acknowledged only after its COMMIT.

The way of a message, one step per file; :mod:`.pipeline` is the order of the steps:

1. **receive** :mod:`.sources.source` (the port), :mod:`.sources.mqtt` (paho, and its
   ``publish_packets`` for what nearly every packet is), :mod:`.sources.jetstream` (nats-py, any
   number of processes on one consumer), :mod:`.sources.subscriptions` (which topics). The broker
   still owns the message.
2. **route** :mod:`.route`: topic -> device, its status, or nothing of ours.
3. **decode** :mod:`.decode`: bytes -> observations, one pure module per wire format.
4. **resolve** :mod:`.resolve`: device and channel, from a cached registry.
5. **check** :mod:`.check`: unit, range, time. Steps 2 to 5 are :mod:`.prepare`.
6. **write** :mod:`.write`: one transaction a batch, durable when it returns;
   :mod:`.quarantine.allowance` bounds what may lie in quarantine.
7. **acknowledge**: only now, back to :mod:`.sources.source`.

What lies in quarantine goes the same way again when somebody asks for it:
:mod:`.quarantine.replay`.

Where do I go to ...?

- **... see why something is refused, and what to do?** :mod:`.quarantine.reasons`.
- **... add a wire format?** A module in :mod:`.decode` and its line in ``decode/__init__.py``.
- **... see what happens while the database is away?** :mod:`.database`, :mod:`.sqlstate`.
- **... see what ingest says of itself?** :mod:`.measure`.
- **... see what is known of devices that come and go?** :mod:`.presence`.
- **... name another adapter?** :mod:`.app`, the composition root, alone.
"""
