"""tonne: what smart meters and stack sensors publish over MQTT becomes CO2 totals.

Where do I go to ...?

- **... change how readings become CO2?** :mod:`services.core.accounting`, pure and tested alone.
- **... change the schema, or what a facility file may say?** :mod:`services.core.store`.
- **... add a wire format or a broker?** :mod:`services.ingest`.
- **... change when and how totals are computed?** :mod:`services.aggregator`.
- **... add a call or change the dashboard?** :mod:`services.api`.
- **... add a setting, a metric or a log field?** :mod:`services.core.runtime`.
- **... change a command?** :mod:`services.cli`.
- **... publish test data?** ``sensors-sim/sensors_sim``, which imports nothing from here.
- **... run it all?** ``deploy/``.

Imports go one way: ``core.accounting <- core.store, core.runtime <- ingest | aggregator | api``.
What passes between the services is the database schema and NOTIFY, nothing else.
"""
