"""How several processes, on one machine or on several, share one folder of runs."""
