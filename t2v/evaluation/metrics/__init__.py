"""Metrics: pure functions of arrays. Networks run elsewhere and pass their outputs."""
