"""Training of the embedded stacks, from scratch."""
