"""Requests to other servers: to which addresses they may go, and what may be shown of them.

FINRA's API, `http.fetch`, alerts and the heartbeat use it; no other wing opens an HTTP connection.
What a response means belongs to those who asked for it.
"""
