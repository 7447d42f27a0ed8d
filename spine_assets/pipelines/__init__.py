"""Pipelines declared in YAML, without Dagster: what they may say, and the engines of their steps.

`declaration` is the YAML's schema, `pipeline` what it means for one tenant, `engine` and
`engines/` do the work of steps. `spine_assets.orchestration.components`
makes Dagster definitions of them.
"""
