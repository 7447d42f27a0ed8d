"""Dagster's event storage with events written in batches, on SQLite and PostgreSQL."""
