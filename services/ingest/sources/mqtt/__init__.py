"""Messages from any MQTT broker, one persistent session."""
