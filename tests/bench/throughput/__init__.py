"""How fast messages become readings: the plant, the stages, the floor, the peers and tonne.

``tests/bench/ingest.py`` puts them together.
"""
