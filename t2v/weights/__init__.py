"""Downloads published weights, and converts them to a folder that `load_stack` reads."""
