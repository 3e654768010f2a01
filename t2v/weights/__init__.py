"""Weights of others: from their public homes to a folder that `load_stack` reads."""
