"""Sprites: drawings in one PNG atlas, painted in shades of a single colour (duotone)."""

from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float

from t2v.media.stills import read_transparent


ATLAS = Path(__file__).parent / "atlas.png"
TILE, COLUMNS = 128, 4
SMALLEST_LEVEL = 8
LUMINANCE = np.array([0.3, 0.59, 0.11], np.float32)
SHADE_OF_MEDIAN = 0.85  # from darkest to lightest: most of a drawing has its colour


class Sprite(NamedTuple):
    """One drawing. `faces`: -1 to the left, 1 to the right, in the atlas."""

    icon: str
    kind: str  # land, water or air
    faces: int
    # Radians that it leans in the direction of motion; for sprites that look the same mirrored.
    lean: float = 0.0


SPRITES = {
    "squirrel": Sprite("chipmunk", "land", -1),
    "tiger": Sprite("tiger", "land", -1),
    "camel": Sprite("two-hump-camel", "land", -1),
    "horse": Sprite("horse", "land", -1),
    "elephant": Sprite("elephant", "land", -1),
    "giraffe": Sprite("giraffe", "land", -1),
    "penguin": Sprite("penguin", "land", -1, 0.15),
    "rabbit": Sprite("rabbit", "land", -1),
    "duck": Sprite("duck", "water", -1),
    "dolphin": Sprite("dolphin", "water", -1),
    "whale": Sprite("spouting-whale", "water", -1),
    "sailboat": Sprite("sailboat", "water", -1),
    "car": Sprite("automobile", "land", -1),
    "rocket": Sprite("rocket", "air", 1),
    "ufo": Sprite("flying-saucer", "air", 1),
    "dragon": Sprite("dragon", "air", -1),
}


@cache
def tiles() -> dict[str, Float[np.ndarray, "s s 4"]]:
    """Loads the drawings: premultiplied RGBA, 0 to 1."""
    atlas = read_transparent(ATLAS).astype(np.float32) / 255
    atlas[..., :3] *= atlas[..., 3:]
    rows = len(atlas) // TILE
    grid = atlas.reshape(rows, TILE, COLUMNS, TILE, 4).transpose(0, 2, 1, 3, 4)
    return dict(zip(SPRITES, grid.reshape(-1, TILE, TILE, 4), strict=True))


@cache
def extent(name: str) -> tuple[float, float]:
    """Width and height of a drawing, in sides of its tile."""
    alpha = tiles()[name][..., 3] > 0.5
    width, height = (
        float(np.ptp(np.flatnonzero(alpha.any(axis=axis))) + 1) / TILE for axis in (0, 1)
    )
    return width, height


@lru_cache(maxsize=256)
def painted(name: str, rgb: tuple[float, float, float]) -> tuple[Float[np.ndarray, "_ _ 4"], ...]:
    """Paints a sprite in shades of one colour: a mipmap from large to small, premultiplied."""
    tile, colour = tiles()[name], np.array(rgb, np.float32)
    alpha = tile[..., 3:]
    luminance = (tile[..., :3] @ LUMINANCE)[..., None] / np.maximum(alpha, 1e-3)
    drawn = luminance[alpha > 0.5]
    share = np.interp(
        luminance, [0, np.median(drawn), max(1, drawn.max())], [0, SHADE_OF_MEDIAN, 1]
    ).astype(np.float32)
    dark, light = 0.38 * colour, 0.85 * colour + 0.15 * colour.max()
    levels = [np.concatenate([alpha * (dark + share * (light - dark)), alpha], axis=-1)]
    while len(levels[-1]) > SMALLEST_LEVEL:
        half = len(levels[-1]) // 2
        levels.append(cv2.resize(levels[-1], (half, half), interpolation=cv2.INTER_AREA))
    return tuple(levels)


def paste(
    frame: Float[np.ndarray, "h w 3"],
    levels: tuple[Float[np.ndarray, "_ _ 4"], ...],
    foot: tuple[float, float],
    side: float,
    is_mirrored: bool,
    angle: float,
) -> None:
    """Paints a sprite into a frame.

    Args:
        foot: x, y, in pixels, of the middle of the tile's lower edge; the sprite rotates around it.
        side: of the tile, in pixels.
        angle: in radians, clockwise.
    """
    # The level whose pixels are at most as large as those of the frame, to avoid aliasing.
    number = int(np.clip(np.log2(max(TILE / side, 1)) + 0.25, 0, len(levels) - 1))
    level = levels[number]
    scale = side / len(level)
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    mirror = -1 if is_mirrored else 1
    matrix = np.array([[cos * mirror, -sin, 0], [sin * mirror, cos, 0]])
    pivot = np.array([(len(level) - 1) / 2, len(level) - 0.5])
    matrix[:, 2] = np.array(foot) - 0.5 - matrix[:, :2] @ pivot
    height, width = frame.shape[:2]
    layer = cv2.warpAffine(level, matrix, (width, height), flags=cv2.INTER_LINEAR)
    frame *= 1 - layer[..., 3:]
    frame += layer[..., :3]
