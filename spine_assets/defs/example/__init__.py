"""The smallest domain: a job and its pipeline.

A copy of this folder is a new domain, once its names are its own: Dagster wants each job and op
of a code location to have another name, and so do pipelines. CONTRIBUTING shows it.
"""
