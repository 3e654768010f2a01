"""Makes the atlas of the storybook's sprites from the icons of an npm package.

    npm pack @iconify-json/fluent-emoji-flat@1.2.6
    tar xzf iconify-json-fluent-emoji-flat-1.2.6.tgz
    pip install resvg-py==0.5.0
    python docs/atlas.py package/icons.json

Only this needs resvg; drawing needs OpenCV alone.
"""

import io
import json
import re
import sys
from pathlib import Path

import cv2
import imageio.v3 as imageio
import numpy as np
import resvg_py

from t2v.worlds.storybook.sprites import ATLAS, COLUMNS, SPRITES, TILE


LARGE = 1024  # pixels of a side before cropping and scaling down
MARGIN = 1  # of a tile
LEFT_OUT = {"sailboat": "#00a6ed", "flying-saucer": "#fcd53f"}  # fills: the water, the beam


def rasterise(icons: dict, name: str) -> np.ndarray:
    """A tile of premultiplied RGBA, 0 to 1, that the drawing fills."""
    body = icons["icons"][name]["body"]
    if name in LEFT_OUT:
        body = re.sub(rf'<path fill="{LEFT_OUT[name]}"[^>]*/>', "", body)
    view = icons.get("height", 32)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {view} {view}" '
        f'width="{LARGE}" height="{LARGE}">{body}</svg>'
    )
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg))
    image = imageio.imread(io.BytesIO(png), mode="RGBA").astype(np.float32) / 255
    image[..., :3] *= image[..., 3:]

    rows, columns = (np.flatnonzero(image[..., 3].any(axis=axis)) for axis in (1, 0))
    image = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = (TILE - 2 * MARGIN) / max(image.shape[:2])
    size = [max(1, round(scale * side)) for side in image.shape[1::-1]]
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    # Stands on the ground, in the middle.
    tile = np.zeros((TILE, TILE, 4), np.float32)
    left = (TILE - size[0]) // 2
    tile[TILE - MARGIN - size[1] : TILE - MARGIN, left : left + size[0]] = image
    return tile


def main() -> None:
    icons = json.loads(Path(sys.argv[1]).read_text())
    tiles = np.stack([rasterise(icons, sprite.icon) for sprite in SPRITES.values()])
    tiles[..., :3] /= np.maximum(tiles[..., 3:], 1e-3)  # PNG is not premultiplied
    grid = tiles.reshape(-1, COLUMNS, TILE, TILE, 4).transpose(0, 2, 1, 3, 4)
    atlas = grid.reshape(-1, COLUMNS * TILE, 4).clip(0, 1)
    imageio.imwrite(ATLAS, (atlas * 255 + 0.5).astype(np.uint8))


if __name__ == "__main__":
    main()
