"""Longtake: long videos from text with StreamingT2V, shown while they are being made."""

import os


__version__ = "0.1.0"

# Read by PyTorch's OpenMP when it is loaded. Its threads else wait for each other by spinning, for
# a hundred times as long, which on a busy CPU (a browser is enough) stops the one waited for.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
