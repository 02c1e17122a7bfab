"""The database: every statement that tonne sends stands below this package.

Where do I go to ...?

- **... see what is stored?** :mod:`.schema.tables`; alerts in :mod:`.schema.alert_tables`; what
  SQLAlchemy cannot say in :mod:`.schema.ddl`.
- **... change the schema?** A new file in ``schema/migrations/versions``; the same in the tables.
- **... connect?** :mod:`.database.connect` (application name and login for each process).
- **... change what ``tonne apply`` writes?** :mod:`.registry.apply`, thresholds
  :mod:`.registry.apply_thresholds`.
- **... store, correct, discard or chart readings?** :mod:`.readings`.
- **... write minutes, hours and windows, or restate them?** :mod:`.emissions`.
- **... change what the API asks?** :mod:`.answers`.
- **... change alerts, their history or their outbox?** :mod:`.alerts`.
- **... see keys, progress and readiness?** :mod:`.operations`.

What a facility file may say is no matter of the database: ``services.core.facility``.
"""
