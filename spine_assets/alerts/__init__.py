"""Alerts: what is reported, in which words, and through which channel.

Knows no Dagster: `defs/alerts.py` reads what happened in runs. This package groups problems by
cause, keeps a record of what was reported, and sends the messages.
"""
