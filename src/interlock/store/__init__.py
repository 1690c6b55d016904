"""The durable adapters behind the store port: one file per role, SQL as named text."""
