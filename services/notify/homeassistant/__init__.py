"""Totals as sensors of Home Assistant, by its MQTT discovery."""
