"""Arms of the benchmark: ways to make a long video, side by side. `catalog` names them all."""
