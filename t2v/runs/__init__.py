"""Runs: generations that belong to the server, have a folder each, and can be watched."""
