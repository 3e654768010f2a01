"""Renderer of the shapes world: any frame at any size, anti-aliased."""

import math

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import ArrayLike
from torch import Tensor

from t2v.worlds.shapes.captions import BACKGROUNDS, SHAPES
from t2v.worlds.shapes.scenes import Scene


PATTERN_CONTRAST = 0.13  # between bright and dark parts of a pattern


def draw(
    scenes: list[Scene], times: Float[np.ndarray, "n f"], size: int = 64
) -> UInt8[Tensor, "n f {size} {size} 3"]:
    """Draws frames `times[i]` of `scenes[i]`, anti-aliased."""
    frames = _backgrounds(scenes, times, size)
    _paint(frames, dict(enumerate(scenes)), times)
    _paint(frames, {i: s.companion for i, s in enumerate(scenes) if s.companion}, times)
    return (frames.clamp(0, 1) * 255 + 0.5).byte()


def _backgrounds(
    scenes: list[Scene], times: Float[np.ndarray, "n f"], size: int
) -> Float[Tensor, "n f {size} {size} 3"]:
    top = _tensor([BACKGROUNDS[s.background][0] for s in scenes])
    bottom = _tensor([BACKGROUNDS[s.background][1] for s in scenes])
    shift = _tensor([s.background_shift for s in scenes])[:, None, None]
    along = torch.linspace(0, 1, size)[:, None]
    walls = top[:, None] * (1 - along) + bottom[:, None] * along + shift
    frames = walls[:, None, :, None].expand(-1, times.shape[1], -1, size, -1).clone()

    pixels = (torch.arange(size) + 0.5) / size
    for i, scene in enumerate(scenes):
        if scene.pattern == "plain":
            continue
        offset = _tensor(scene.pattern_offset(times[i]))
        across, down = (
            _square_wave(pixels - offset[:, axis, None], scene.wavelength, size) for axis in (0, 1)
        )
        across, down = across[:, None, :], down[:, :, None]
        if scene.pattern == "checkered":
            bright = across * down
        else:  # stripes are perpendicular to their scrolling
            bright = down if scene.scroll in ("up", "down") else across
        frames[i] += PATTERN_CONTRAST * (bright[..., None] / 2 + 0.5)
    return frames


def _square_wave(x: Float[Tensor, "f s"], wavelength: float, size: int) -> Float[Tensor, "f s"]:
    """Alternates between -1 and 1, with edges one pixel wide."""
    distance = ((x / wavelength) % 1 - 0.5).abs() - 0.25  # from the nearest edge, in wavelengths
    return (distance * wavelength * size * 2).clamp(-1, 1)


def _paint(
    frames: Float[Tensor, "n f s s 3"], objects: dict[int, Scene], times: Float[np.ndarray, "n f"]
) -> None:
    """Draws one object into each of the videos; keys are indices of videos."""
    size = frames.shape[2]
    pixels = (torch.arange(size) + 0.5) / size
    for shape in SHAPES:
        members = [i for i, scene in objects.items() if scene.shape == shape]
        if not members:
            continue
        chosen = [objects[i] for i in members]
        moments = list(zip(chosen, times[members], strict=True))
        centre = _tensor(np.stack([s.centre(t) for s, t in moments]))
        opacity = _tensor(np.stack([s.opacity(t) for s, t in moments]))
        radius = _tensor([s.radius for s in chosen])[:, None, None, None]
        x = (pixels - centre[..., 0, None])[:, :, None, :] / radius
        y = (pixels - centre[..., 1, None])[:, :, :, None] / radius

        scale = radius * size  # distances in pixels, for edges one pixel wide
        distance = SIGNED_DISTANCE[shape](x, y) * scale
        cover = (0.5 - distance).clamp(0, 1) * opacity[:, :, None, None]
        lower = (0.5 + (y - 0.3) * scale).clamp(0, 1).expand_as(cover)[..., None]
        rgb, second_rgb = (
            _tensor([getattr(s, name) for s in chosen])[:, None, None, None]
            for name in ("rgb", "second_rgb")
        )
        paint = torch.lerp(rgb, second_rgb, lower)
        frames[members] = torch.lerp(frames[members], paint, cover[..., None])


def _tensor(values: ArrayLike) -> Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float32))


def _star(x: Tensor, y: Tensor) -> Tensor:
    """Five points, tip up: folds the plane into half of one point."""
    angle, distance = torch.atan2(x, -y), torch.hypot(x, y)
    fold = 2 * math.pi / 5
    angle = ((angle + fold / 2) % fold - fold / 2).abs()
    px, py = distance * torch.cos(angle), distance * torch.sin(angle)
    inner = (0.46 * math.cos(fold / 2), 0.46 * math.sin(fold / 2))
    edge = (inner[0] - 1.08, inner[1])
    return ((px - 1.08) * -edge[1] + py * edge[0]) / -math.hypot(*edge)


def _heart(x: Tensor, y: Tensor) -> Tensor:
    """Two half discs on a square that stands on its corner; the tip is down."""
    scale = 1.7
    x, y = x.abs() / scale, (0.92 - y) / scale
    lobe = torch.hypot(x - 0.25, y - 0.75) - math.sqrt(2) / 4
    middle = 0.5 * (x + y).clamp(min=0)
    body = torch.minimum(torch.hypot(x, y - 1), torch.hypot(x - middle, y - middle))
    return torch.where(x + y > 1, lobe, body * torch.sign(x - y)) * scale


# Signed distance to the outline, in units of the radius: negative inside. y points down.
SIGNED_DISTANCE = {
    "circle": lambda x, y: torch.hypot(x, y) - 0.95,
    "square": lambda x, y: torch.maximum(x.abs(), y.abs()) - 0.82,
    "triangle": lambda x, y: torch.maximum(0.873 * x.abs() - 0.488 * (y + 1), y - 0.72),
    "star": _star,
    "ring": lambda x, y: (torch.hypot(x, y) - 0.70).abs() - 0.27,
    "cross": lambda x, y: torch.minimum(
        torch.maximum(x.abs() - 0.98, y.abs() - 0.34), torch.maximum(y.abs() - 0.98, x.abs() - 0.34)
    ),
    "diamond": lambda x, y: 0.8 * x.abs() + 0.6 * y.abs() - 0.6,
    "heart": _heart,
    "moon": lambda x, y: torch.maximum(
        torch.hypot(x, y) - 0.98, 0.72 - torch.hypot(x - 0.52, y + 0.16)
    ),
}
