"""Longtake: long videos from text with StreamingT2V, shown while they are being made."""

import os
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from t2v.generator import Generator

__all__ = ["Generator", "__version__"]
__version__ = "0.1.0"

# PyTorch's OpenMP reads it when it is loaded. By default its threads wait by spinning a hundred
# times as long, which on a busy CPU (a browser is enough) delays the thread they wait for.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def __getattr__(name: str) -> Any:
    if name == "Generator":  # imported at its first use: `import t2v` stays cheap
        from t2v.generator import Generator

        return Generator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
