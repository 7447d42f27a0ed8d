"""Starting runs: in this process, on Celery workers, or in the queue of a running daemon.

Each makes a Dagster run with an id, events and tags; `cli.start_runs` chooses one. Belongs here:
a module for each launcher, what they share (`base`), and following the progress of runs. Does not
belong here: what is run (`pipelines`).
"""
