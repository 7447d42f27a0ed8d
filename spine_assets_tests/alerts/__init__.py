"""What is told to people, over real sockets."""
