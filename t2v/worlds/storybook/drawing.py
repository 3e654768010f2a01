"""Renderer of the storybook: sky, ground, one large feature, and the sprite in front."""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from t2v.worlds.storybook.scenes import GROUND, PANS, Scene
from t2v.worlds.storybook.sprites import SPRITES, painted, paste


Places = Float[np.ndarray, "_ _"]
# Colours of the top and bottom of the sky, the ground, and the large feature.
PAINT = {
    "snow field": ((0.62, 0.78, 0.94), (0.86, 0.93, 0.99), (0.97, 0.98, 1.00), (0.78, 0.86, 0.95)),
    "street": ((0.60, 0.78, 0.94), (0.86, 0.92, 0.98), (0.42, 0.43, 0.48), (0.68, 0.71, 0.79)),
    "desert": ((0.99, 0.82, 0.56), (1.00, 0.91, 0.76), (0.89, 0.71, 0.44), (0.99, 0.66, 0.40)),
    "sea": ((0.60, 0.82, 0.96), (0.87, 0.95, 0.99), (0.16, 0.46, 0.74), (0.99, 0.99, 1.00)),
    "meadow": ((0.52, 0.78, 0.97), (0.84, 0.93, 0.99), (0.49, 0.75, 0.38), (0.39, 0.65, 0.34)),
    "night sky": ((0.06, 0.07, 0.22), (0.18, 0.20, 0.44), (0.05, 0.07, 0.16), (0.97, 0.93, 0.77)),
}


def draw(
    scenes: list[Scene], times: Float[np.ndarray, "n f"], size: int = 64
) -> UInt8[Tensor, "n f {size} {size} 3"]:
    """Draws frames `times[i]` of `scenes[i]`, anti-aliased."""
    cv2.setNumThreads(1)
    frames = np.empty((*times.shape, size, size, 3), np.uint8)
    for video, scene, moments in zip(frames, scenes, times, strict=True):
        behind = None
        levels = painted(scene.sprite, scene.rgb)
        feet = scene.centre(moments) + np.array([0, scene.half[1]])
        is_mirrored = scene.looks_left != (SPRITES[scene.sprite].faces < 0)
        places, angles = scene.feature_place(moments), scene.angle(moments)
        for i in range(len(moments)):
            if behind is None or scene.motion in PANS:
                behind = backdrop(scene, places[i], size)
            frame = behind.copy()
            foot = tuple((feet[i] * size).tolist())
            paste(frame, levels, foot, scene.side * size, is_mirrored, float(angles[i]))
            video[i] = frame.clip(0, 1) * 255 + 0.5
    return torch.from_numpy(frames)


def backdrop(scene: Scene, place: float, size: int) -> Float[np.ndarray, "{size} {size} 3"]:
    """Draws the background; `place` is x of the large feature."""
    top, bottom, ground, feature = (np.array(colour, np.float32) for colour in PAINT[scene.scene])
    pixels = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = pixels[None, :] - np.float32(place), pixels[:, None]
    along = y[..., None]
    frame = np.broadcast_to(top * (1 - along) + bottom * along, (size, size, 3)).copy()
    frame += np.float32(scene.sky_shift)
    for distance, colour in (
        (FEATURES[scene.scene](x, y), feature),
        (GROUND[scene.scene] - y + 0 * x, ground),
    ):
        cover = np.clip(0.5 - distance * size, 0, 1)[..., None]
        frame += cover * (colour - frame)
    return frame


def _ellipse(x: Places, y: Places, width: float, height: float) -> Places:
    """Approximate signed distance to the outline, in picture sides: negative inside."""
    radius = np.hypot(x / width, y / height)
    slope = np.hypot(x / width**2, y / height**2) / np.maximum(radius, 1e-3)
    return (radius - 1) / np.maximum(slope, 1e-3)


def _box(x: Places, y: Places, half: float, top: float) -> Places:
    """A building that stands on the ground."""
    return np.maximum(np.abs(x) - half, top - y)


def _buildings(x: Places, y: Places) -> Places:
    low = np.minimum(_box(x - 0.29, y, 0.12, 0.42), _box(x + 0.27, y, 0.11, 0.50))
    return np.minimum(_box(x, y, 0.15, 0.28), low)


def _cloud(x: Places, y: Places) -> Places:
    return np.minimum(_ellipse(x, y - 0.24, 0.24, 0.08), _ellipse(x + 0.05, y - 0.19, 0.12, 0.10))


def _moon(x: Places, y: Places) -> Places:
    return np.maximum(_ellipse(x, y - 0.22, 0.16, 0.16), -_ellipse(x - 0.08, y - 0.18, 0.14, 0.14))


FEATURES: dict[str, Callable[[Places, Places], Places]] = {
    "snow field": lambda x, y: _ellipse(x, y - 0.74, 0.52, 0.34),
    "street": _buildings,
    "desert": lambda x, y: _ellipse(x, y - 0.28, 0.17, 0.17),
    "sea": _cloud,
    "meadow": lambda x, y: _ellipse(x, y - 0.74, 0.52, 0.34),
    "night sky": _moon,
}
