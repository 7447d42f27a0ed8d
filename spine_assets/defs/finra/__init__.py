"""Dagster: fetching from FINRA; off until someone switches it on, and never part of `otc`."""
