"""Dagster definitions, a folder per domain; what they call is in the wings below."""
