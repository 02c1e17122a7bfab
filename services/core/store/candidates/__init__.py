"""Devices that nobody registered: noted by ingest, decided on by people. Nothing of them counts."""
