"""Stations that speak HJ 212 by TCP."""
