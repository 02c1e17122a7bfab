"""Bodies of ``POST /v1/readings`` -> the messages that their devices would have sent.

Each form has a module; all of them add records to :class:`.records.Records`, which puts those of a
device into native payloads. So what came by HTTP is decoded, checked, refused and replayed as what
came by a broker. :mod:`.unpacking` undoes compression, :mod:`.body` names the modules.
"""
