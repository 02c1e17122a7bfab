"""People: their accounts, passwords, roles and sessions."""
