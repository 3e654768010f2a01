"""The world that the `shapes` stack is trained on: one coloured shape that moves over a background.

A Scene is a closed formula: any frame at any size can be drawn, so the truth about every pixel is
known. The caption names the shape, its main colour, the motion and the background. It does *not*
name the second colour of the lower part, the exact shade, the size, the speed or the place: only a
memory can keep those. Some motions hide the object for 8 frames and more, so that the 8 frames
seen by the CAM cannot carry its look and only the anchor frame can.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor


COLOURS = {
    "red": (0.88, 0.12, 0.12),
    "yellow": (0.96, 0.84, 0.12),
    "green": (0.13, 0.74, 0.24),
    "blue": (0.16, 0.42, 0.96),
    "purple": (0.64, 0.24, 0.82),
    "white": (0.94, 0.94, 0.94),
}
SHAPES = {
    "circle": ("circle", "disc", "ball"),
    "square": ("square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
    "ring": ("ring", "donut"),
    "cross": ("cross", "plus"),
}
# Colour at the top and at the bottom, and how a caption says it.
BACKGROUNDS = {
    "black": ((0.03, 0.03, 0.03),) * 2,
    "gray": ((0.36, 0.36, 0.36),) * 2,
    "navy": ((0.06, 0.09, 0.28),) * 2,
    "teal": ((0.04, 0.30, 0.29),) * 2,
    "maroon": ((0.31, 0.06, 0.10),) * 2,
    "sunset": ((0.24, 0.12, 0.34), (0.60, 0.32, 0.10)),
    "sky": ((0.10, 0.20, 0.42), (0.48, 0.62, 0.74)),
}
BACKGROUND_PHRASES = {
    "sunset": ("at sunset", "in front of a sunset", "over a sunset gradient"),
    "sky": ("in the sky", "in front of a blue sky", "over a sky gradient"),
}
PLAIN_PHRASES = ("on a {} background", "over {}", "in front of a {} wall", "on {}")
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
MOTIONS = {
    **{
        name: (f"moving {name}", f"moves {name}", f"flying {name}", f"going {name}")
        for name in DIRECTIONS
    },
    "side to side": ("bouncing from side to side", "bouncing left and right"),
    "up and down": ("bouncing up and down", "bounces up and down"),
    "circling": ("moving in a circle", "circling around", "flying in circles"),
    "still": ("standing still", "that does not move", "that stays where it is"),
    "fading": ("fading in and out", "appearing and disappearing"),
}
MOTION_WEIGHTS = (0.14, 0.14, 0.14, 0.14, 0.1, 0.1, 0.1, 0.06, 0.08)
LAST_FRAME = 200  # of the part of a video from which single frames are drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One video. Lengths are in units of the picture's side, times in frames."""

    shape: str
    colour: str
    second_colour: str | None  # of the lower part; not in the caption
    background: str
    motion: str
    caption: str
    rgb: tuple[float, float, float]
    second_rgb: tuple[float, float, float]
    background_shift: float  # the exact shade of the background
    radius: float
    start: tuple[float, float]  # centre at frame 0
    speed: float  # per frame
    gap: float  # how far the object travels unseen
    period: float
    phase: float

    def centre(self, times: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
        """Where the middle of the object is (x, y), also while it cannot be seen."""
        centres = np.tile(np.array(self.start), (len(times), 1))
        if self.motion in DIRECTIONS:
            # Leaves the picture, stays away for `gap`, and comes back on the other side.
            axis = 0 if self.motion in ("left", "right") else 1
            sign = DIRECTIONS[self.motion][axis]
            span = 1 + 2 * self.radius + self.gap
            travelled = (self.start[axis] if sign > 0 else 1 - self.start[axis]) + self.radius
            position = (travelled + self.speed * times) % span - self.radius
            centres[:, axis] = position if sign > 0 else 1 - position
        elif self.motion in ("side to side", "up and down"):
            axis = 0 if self.motion == "side to side" else 1
            low, high = self.radius, 1 - self.radius
            sign = math.copysign(1, self.phase - 0.5)
            offset = (self.start[axis] - low + sign * self.speed * times) % (2 * (high - low))
            centres[:, axis] = low + np.minimum(offset, 2 * (high - low) - offset)
        elif self.motion == "circling":
            angle = 2 * np.pi * (self.phase + math.copysign(1, self.gap) * times / self.period)
            around = np.stack([np.cos(angle), np.sin(angle)], axis=1)
            centres = centres + 0.5 * (1 - 2 * self.radius) * 0.8 * around
        return centres

    def opacity(self, times: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """0 where a fading object is gone, 1 where it is solid."""
        if self.motion != "fading":
            return np.ones(len(times))
        return np.clip(0.5 + 0.95 * np.cos(2 * np.pi * times / self.period), 0, 1)

    def hidden(self, times: Float[np.ndarray, " n"]) -> np.ndarray:
        """Whether nothing of the object is in the picture."""
        centre = self.centre(times)
        outside = (centre < -self.radius) | (centre > 1 + self.radius)
        return outside.any(axis=1) | (self.opacity(times) < 0.02)

    def plainly_visible(self, times: Float[np.ndarray, " n"]) -> np.ndarray:
        """Whether at least about half of the object is in the picture."""
        centre = self.centre(times)
        inside = (centre > 0) & (centre < 1)
        return inside.all(axis=1) & (self.opacity(times) > 0.6)


def sample_scene(rng: np.random.Generator, **fixed: str) -> Scene:
    """Draws a scene; `fixed` may give shape, colour, second_colour, background or motion."""

    def choose(name: str, options, weights=None) -> str:
        return fixed.get(name) or str(rng.choice(list(options), p=weights))

    shape, colour = choose("shape", SHAPES), choose("colour", COLOURS)
    background, motion = (
        choose("background", BACKGROUNDS),
        choose("motion", MOTIONS, MOTION_WEIGHTS),
    )
    second_colour = fixed.get("second_colour")
    if second_colour is None and rng.random() < 0.8:
        second_colour = str(rng.choice([name for name in COLOURS if name != colour]))

    shade = rng.uniform(-0.05, 0.05, (2, 3))
    rgb = np.clip(np.array(COLOURS[colour]) + shade[0], 0, 1)
    second_rgb = (
        np.clip(np.array(COLOURS[second_colour]) + shade[1], 0, 1) if second_colour else rgb
    )

    radius, speed = rng.uniform(0.19, 0.26), rng.uniform(0.022, 0.036)
    start = rng.uniform(radius, 1 - radius, 2)
    if motion in DIRECTIONS:
        # A video begins with the object in the picture and a way to go.
        axis = 0 if motion in ("left", "right") else 1
        entry = rng.uniform(0.8 * radius, 0.42)
        start[axis] = entry if sum(DIRECTIONS[motion]) > 0 else 1 - entry
    elif motion == "circling":
        start = rng.uniform(0.47, 0.53, 2)
    return Scene(
        shape=shape,
        colour=colour,
        second_colour=second_colour,
        background=background,
        motion=motion,
        caption=describe(rng, shape, colour, background, motion),
        rgb=tuple(rgb.tolist()),
        second_rgb=tuple(second_rgb.tolist()),
        background_shift=float(rng.uniform(-0.03, 0.03)),
        radius=float(radius),
        start=tuple(start.tolist()),
        speed=float(speed),
        gap=float(speed * rng.uniform(9, 13) * rng.choice([-1, 1]))
        if motion == "circling"
        else float(speed * rng.uniform(9, 13)),
        period=float(rng.uniform(24, 36) if motion == "circling" else rng.uniform(34, 44)),
        phase=float(rng.random()),
    )


def visible_times(
    scene: Scene, rng: np.random.Generator, count: int
) -> Float[np.ndarray, " {count}"]:
    """Times, at random, when the object is plainly in the picture."""
    times = np.arange(LAST_FRAME, dtype=float)
    return rng.choice(times[scene.plainly_visible(times)], count)


def describe(
    rng: np.random.Generator, shape: str, colour: str, background: str, motion: str
) -> str:
    """One of several ways to say the same scene."""
    noun = rng.choice(SHAPES[shape])
    if colour == "purple" and rng.random() < 0.2:
        colour = "violet"
    thing = f"{rng.choice(['a', 'a', 'the', 'one'])} {colour} {noun} {rng.choice(MOTIONS[motion])}"
    if background in BACKGROUND_PHRASES:
        place = str(rng.choice(BACKGROUND_PHRASES[background]))
    else:
        place = str(rng.choice(PLAIN_PHRASES)).format(background)
    return f"{thing} {place}" if rng.random() < 0.8 else f"{place}, {thing}"


def vocabulary() -> list[str]:
    """Every word a caption can contain, sorted."""
    phrases = [
        *COLOURS, "violet", *BACKGROUNDS, *PLAIN_PHRASES, "a an the one is of and with , .",
        *(noun for nouns in SHAPES.values() for noun in nouns),
        *(phrase for group in MOTIONS.values() for phrase in group),
        *(phrase for group in BACKGROUND_PHRASES.values() for phrase in group),
    ]  # fmt: skip
    return sorted({word for phrase in phrases for word in phrase.replace("{}", "").split()})


def draw(
    scenes: list[Scene],
    times: Float[np.ndarray, "n f"],
    size: int = 64,
    device: torch.device | str = "cpu",
) -> UInt8[Tensor, "n f {size} {size} 3"]:
    """Draws frames `times[i]` of `scenes[i]`, anti-aliased."""
    num_frames = times.shape[1]
    moments = list(zip(scenes, times, strict=True))
    centre = torch.tensor(np.stack([s.centre(t) for s, t in moments])).to(device).float()
    opacity = torch.tensor(np.stack([s.opacity(t) for s, t in moments])).to(device).float()

    def column(values) -> Tensor:
        return torch.tensor(values, device=device, dtype=torch.float32)

    top = column([BACKGROUNDS[s.background][0] for s in scenes])
    bottom = column([BACKGROUNDS[s.background][1] for s in scenes])
    shift = column([s.background_shift for s in scenes])[:, None, None]
    along = torch.linspace(0, 1, size, device=device)[:, None]
    background = top[:, None] * (1 - along) + bottom[:, None] * along + shift

    pixels = (torch.arange(size, device=device) + 0.5) / size
    radius = column([s.radius for s in scenes])[:, None, None, None]
    x = (pixels - centre[..., 0, None])[:, :, None, :] / radius
    y = (pixels - centre[..., 1, None])[:, :, :, None] / radius

    frames = background[:, None, :, None, :].expand(-1, num_frames, -1, size, -1).clone()
    rgb, second_rgb = column([s.rgb for s in scenes]), column([s.second_rgb for s in scenes])
    for shape in SHAPES:
        members = [i for i, s in enumerate(scenes) if s.shape == shape]
        if not members:
            continue
        scale = radius[members] * size  # distances in pixels, for edges one pixel wide
        distance = SIGNED_DISTANCE[shape](x[members], y[members]) * scale
        cover = (0.5 - distance).clamp(0, 1) * opacity[members][:, :, None, None]
        lower = (0.5 + (y[members] - 0.3) * scale).clamp(0, 1).expand_as(cover)[..., None]
        paint = torch.lerp(
            rgb[members][:, None, None, None], second_rgb[members][:, None, None, None], lower
        )
        frames[members] = torch.lerp(frames[members], paint, cover[..., None])
    return (frames.clamp(0, 1) * 255 + 0.5).byte()


def _star(x: Tensor, y: Tensor) -> Tensor:
    """Five points, tip up: fold the plane into one half of one point."""
    angle, distance = torch.atan2(x, -y), torch.hypot(x, y)
    fold = 2 * math.pi / 5
    angle = ((angle + fold / 2) % fold - fold / 2).abs()
    px, py = distance * torch.cos(angle), distance * torch.sin(angle)
    inner = (0.46 * math.cos(fold / 2), 0.46 * math.sin(fold / 2))
    edge = (inner[0] - 1.08, inner[1])
    return ((px - 1.08) * -edge[1] + py * edge[0]) / -math.hypot(*edge)


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
}
