"""Pipelines declared in YAML."""
