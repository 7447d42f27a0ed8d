"""What developers and tests use: simulator, sample generator, local cluster, doc pages."""
