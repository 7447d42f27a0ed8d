"""Pipelines declared in YAML: a folder each, with a `defs.yaml`."""
