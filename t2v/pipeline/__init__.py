"""The method: stages, chunks, refinement, and how networks share a device."""
