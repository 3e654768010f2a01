"""Small pictures inside the page itself: no address on this server, no path, nothing to fetch."""

from base64 import b64encode
from html import escape
from io import BytesIO
from pathlib import Path

from PIL import Image

from t2v.media.images import Picture


def picture(path: Path) -> str:
    """An <img> of a small JPEG, or a blank of its size where there is none (yet)."""
    try:
        data = b64encode(path.read_bytes()).decode()
    except OSError:
        return '<i class="blank"></i>'
    return f'<img alt="" src="data:image/jpeg;base64,{data}">'


def rough_picture(pixels: Picture, alt: str) -> str:
    """An <img> of a few pixels, which the page shows larger."""
    png = BytesIO()
    Image.fromarray(pixels).save(png, format="PNG")
    data = b64encode(png.getvalue()).decode()
    return f'<img class="rough" alt="{escape(alt)}" src="data:image/png;base64,{data}">'
