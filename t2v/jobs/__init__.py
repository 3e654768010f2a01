"""A generation as a job: it belongs to the server, has a folder of its own, and can be watched."""
