"""Tests of requests to other servers, over real sockets of loopback."""
