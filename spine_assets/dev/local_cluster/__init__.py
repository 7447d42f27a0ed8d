"""The parts of a cluster as processes of this machine, for trying it out and for tests.

Belongs here: starting and stopping PostgreSQL, Redis, an S3 server and Dagster's own processes on
loopback. Does not belong here: anything that a real cluster runs, and the domain.
"""
