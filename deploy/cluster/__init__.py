"""tonne on many machines, played on one: each machine is a network namespace.

- :mod:`namespaces` enters namespaces of our own, which end with everything in them
- :mod:`machine` one machine: its address, its programs, and what can be done to it
- :mod:`parts` the programs of each machine, with their settings
- :mod:`cluster` all of it: started, looked after, stopped
- :mod:`front` one address before servers of which any will do
"""
