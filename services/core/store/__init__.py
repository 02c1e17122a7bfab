"""The database: every statement that tonne sends is written below this package, as a test holds.

Where do I go to ...?

- **... see what is stored?** :mod:`.schema.tables`; alerts in :mod:`.schema.alert_tables`, packed
  history in :mod:`.schema.packed_tables`; what SQLAlchemy cannot say in :mod:`.schema.ddl`.
- **... change what a total consists of?** :mod:`.schema.figures`; statements, records and answers
  follow from it.
- **... change the schema?** A new file in ``schema/migrations/versions``; the same in the tables.
- **... connect?** :mod:`.database.connect` (application name and login for each process).
- **... change what ``tonne apply`` writes?** :mod:`.registry.apply`, thresholds
  :mod:`.registry.apply_thresholds`.
- **... store, correct, discard or chart readings?** :mod:`.readings`.
- **... write minutes, hours and windows, or restate them?** :mod:`.emissions`.
- **... change how minutes are computed from readings, now or as of an instant?**
  :mod:`.computation`.
- **... change what the API asks?** :mod:`.answers`.
- **... change alerts, their history or their outbox?** :mod:`.alerts`.
- **... see what the aggregator takes to do, and how far it is?** :mod:`.emissions.claims`,
  :mod:`.emissions.facility_progress`.
- **... see keys and readiness?** :mod:`.operations`.
- **... see which processes run?** :mod:`.database.progress`.

One way to read, one to write:

- **read** with :func:`.database.transactions.reading`: as ``tonne_read``, which can do nothing
  else, each statement for at most 15 s. The API keeps a ``reading_pool`` of the same.
- **write** with :func:`.database.transactions.writing`: one transaction, committed at the end of
  the block or not at all; ``session`` where a command needs several.
- **services** that write all the time (ingest, aggregator, notifier) and commands that follow them
  keep one connection of :func:`.database.connect.connect`, in autocommit, and open
  ``connection.transaction()`` on it.

What a facility file may say is no matter of the database: ``services.core.facility``.
"""
