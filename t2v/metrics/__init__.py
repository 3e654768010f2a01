"""Metrics: pure functions of arrays. Networks run elsewhere and hand in their results."""
