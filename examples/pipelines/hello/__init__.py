"""The smallest domain in Python: a job that says hello, and a pipeline that starts it.

Try it: spine run example.hello -p name=Alice

A copy of this folder is a new domain, once its names are its own: Dagster wants each job and op
of a code location to have another name, and so do pipelines. CONTRIBUTING shows it.
"""
