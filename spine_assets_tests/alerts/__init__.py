"""Tests of alerts, over real sockets."""
