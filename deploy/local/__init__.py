"""The local stack: everything of tonne on one machine, without containers.

Where do I go to ...?

* what a fresh machine gets installed: ``bootstrap.sh``, ``../postgres/build-timescaledb.sh``
* the commands ``run``, ``up``, ``down``, ``status``, ``clean``: ``stack.py``
* where things lie and which environment the services get: ``places.py``
* what is checked before anything starts: ``preflight.py``
* how PostgreSQL and the broker are started: ``postgres_server.py``, ``nats_server.py``
* which processes run: ``processes.py``; how they are watched: ``supervision.py``
* the order of a start: ``startup.py``; the demo's facilities and their history: ``demo.py``
* what a killed start left behind: ``leftovers.py``
"""
