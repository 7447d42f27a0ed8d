"""Dagster's side: thin wiring over the domain, found by folder."""
