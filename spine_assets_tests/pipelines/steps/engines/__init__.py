"""The engines of steps do their work on real files, over real sockets."""
