"""Dagster's web server behind a guard: `spine ui`."""
