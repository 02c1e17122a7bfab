"""Messages from any MQTT 3.1.1 broker, one persistent session."""
