"""Messages from NATS' own stream of them, one durable consumer shared by any number."""
