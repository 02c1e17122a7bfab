"""Emissions by unit of production: shares of sources, and ratios of exact sums.

What several products share is told apart by the GHG Protocol Product Standard (2011), chapter 9,
and ISO 14067:2018, 6.4.6: by a physical key (mass, energy, area), else by money, else as stated.
"""
