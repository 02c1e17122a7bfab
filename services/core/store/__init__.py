"""The database: tables, migrations, named SQL, readers and writers.

Where do I go to ...?

- **... see what is stored?** :mod:`.tables`; what SQLAlchemy cannot say is in :mod:`.ddl`.
- **... see what is stored of limits and alerts?** :mod:`.alert_tables`.
- **... change the schema?** A new file in ``migrations/versions``, and the same in ``tables``.
- **... connect?** :mod:`.connect` (application name and role for each process).
- **... change what a facility file may say?** :mod:`.registry.facility_file`.
- **... change what ``tonne apply`` writes?** :mod:`.registry.apply`, of limits
  :mod:`.registry.apply_thresholds`.
"""
