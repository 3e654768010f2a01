"""Small pictures inside the page itself: no address on this server, no path, nothing to fetch."""

from base64 import b64encode
from pathlib import Path


def picture(path: Path) -> str:
    """An <img> of a small JPEG, or a blank of its size where there is none (yet)."""
    try:
        data = b64encode(path.read_bytes()).decode()
    except OSError:
        return '<i class="blank"></i>'
    return f'<img alt="" src="data:image/jpeg;base64,{data}">'
