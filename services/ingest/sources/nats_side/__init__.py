"""NATS itself beside an MQTT session at it: looked after, and set right."""
