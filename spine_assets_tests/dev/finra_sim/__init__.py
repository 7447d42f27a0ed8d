"""The simulated FINRA, asked over real sockets."""
