"""HJ 212: the Chinese standard by which monitors of pollution sources speak to authorities."""
