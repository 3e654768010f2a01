"""Files that tell other processes what one does: nobody misses them after a power cut."""

import json
import os
from pathlib import Path
from typing import Any


def replace_file(path: Path, values: Any) -> None:
    """Writes JSON as a whole, but and does not wait for the disk, as `atomic_write` would.

    Only one thread of one process may write a path at a time.

    Raises:
        OSError: the disk refuses it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(values), encoding="utf-8")
    os.replace(part, path)
