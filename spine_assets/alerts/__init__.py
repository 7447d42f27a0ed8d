"""Alerts: what is told, in which words, and by which channel.

Knows no Dagster: `defs/alerts.py` brings what happened in runs, this package decides what
is one cause, remembers what was told, and sends it.
"""
