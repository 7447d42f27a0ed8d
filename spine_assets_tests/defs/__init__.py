"""Tests of `spine_assets.defs`: real Dagster instances, commands and daemons."""
