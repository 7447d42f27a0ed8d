"""The steps of pipelines: engines, what they are given and return, and their process."""
