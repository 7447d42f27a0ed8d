"""Pipelines in YAML: model, validation, templates."""
