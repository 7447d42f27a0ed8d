"""The smallest domain: a job and its pipeline. A copy of this folder is a new domain."""
