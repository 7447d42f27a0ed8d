"""The steps of pipelines: what an engine gets and returns, and the process it runs in."""
