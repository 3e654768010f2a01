"""Scenes of the shapes world: coloured shapes that move in front of a background.

The caption states shape, main colour, size, motion, pace and background. It does *not* state the
second colour of the lower part, the exact shade, the speed or the place: only a memory can keep
those. Some motions hide the object for 8 frames or more, so that the CAM's 8 conditioning frames do
not show it and only the anchor frame does.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from t2v.worlds.chance import between, choose
from t2v.worlds.shapes.captions import (
    BACKGROUNDS,
    COLOURS,
    DIRECTIONS,
    MOTIONS,
    PACES,
    PANS,
    SHAPES,
    SIZES,
    describe,
)


MOTION_WEIGHTS = (0.12, 0.12, 0.12, 0.12, 0.08, 0.08, 0.09, 0.06, 0.09, 0.06, 0.06)
EXIT_DIRECTIONS = DIRECTIONS | PANS  # motions that leave the picture, and which way
RADIUS = {"small": (0.15, 0.18), "medium": (0.20, 0.25), "large": (0.28, 0.33)}
SPEED = {"slow": (0.011, 0.017), "normal": (0.024, 0.034), "fast": (0.044, 0.056)}
CIRCLING_PERIOD = {"slow": (44, 52), "normal": (25, 34), "fast": (15, 19)}
COMMON = (0.2, 0.6, 0.2)  # of sizes and of paces
SHARE_OF_PATTERNS, SHARE_OF_SCROLLS, SHARE_OF_PAIRS = 0.25, 0.6, 0.15
PAIR_MOTIONS = ("left", "right", "side to side", "still", "fading", *PANS)  # never up or down
PAIR_RADIUS = (0.15, 0.19)
PAIR_HEIGHTS = ((0.23, 0.28), (0.72, 0.77))  # of the centres of the upper and the lower object
PLAIN = {  # attributes of the easier world
    "shape": ("circle", "square", "triangle", "star", "ring", "cross"),
    "colour": ("red", "yellow", "green", "blue", "purple", "white"),
    "motion": tuple(name for name in MOTIONS if name not in PANS),
    "size": ("medium",),
    "pace": ("normal",),
    "pattern": ("plain",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One video. Lengths are in units of the picture's side, times in frames."""

    shape: str
    colour: str
    second_colour: str | None  # of the lower part; not in the caption
    background: str
    motion: str
    size: str
    pace: str
    pattern: str  # of the background
    scroll: str  # direction of the pattern, or "none"
    rgb: tuple[float, float, float]
    second_rgb: tuple[float, float, float]
    background_shift: float  # the exact shade of the background
    radius: float
    start: tuple[float, float]  # centre at frame 0
    speed: float  # per frame
    gap: float  # distance that the object travels outside the picture
    period: float
    phase: float
    wavelength: float  # of the pattern
    scroll_speed: float
    companion: "Scene | None" = None  # a second object, below the first
    caption: str = ""

    def centre(self, times: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
        """Centre of the object (x, y), also while it is hidden."""
        centres = np.tile(np.array(self.start), (len(times), 1))
        if self.motion in EXIT_DIRECTIONS:
            # Leaves the picture, travels `gap` outside of it, and comes back on the other side.
            axis = _axis(EXIT_DIRECTIONS[self.motion])
            sign = EXIT_DIRECTIONS[self.motion][axis]
            span = 1 + 2 * self.radius + self.gap
            travelled = (self.start[axis] if sign > 0 else 1 - self.start[axis]) + self.radius
            position = (travelled + self.speed * times) % span - self.radius
            centres[:, axis] = position if sign > 0 else 1 - position
        elif self.motion in ("side to side", "up and down"):
            axis = 0 if self.motion == "side to side" else 1
            low, high = self.radius, 1 - self.radius
            turn = math.copysign(1, self.phase - 0.5)
            offset = (self.start[axis] - low + turn * self.speed * times) % (2 * (high - low))
            centres[:, axis] = low + np.minimum(offset, 2 * (high - low) - offset)
        elif self.motion == "circling":
            angle = 2 * np.pi * (self.phase + math.copysign(1, self.gap) * times / self.period)
            around = np.stack([np.cos(angle), np.sin(angle)], axis=1)
            centres = centres + 0.5 * (1 - 2 * self.radius) * 0.8 * around
        return centres

    def opacity(self, times: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """0 when a fading object is invisible, 1 when it is solid."""
        if self.motion != "fading":
            return np.ones(len(times))
        return np.clip(0.5 + 0.95 * np.cos(2 * np.pi * times / self.period), 0, 1)

    def pattern_offset(self, times: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
        """Displacement of the pattern (x, y)."""
        if self.motion in PANS:
            return times[:, None] * self.speed * np.array(PANS[self.motion])
        way = DIRECTIONS.get(self.scroll, (0, 0))
        return times[:, None] * self.scroll_speed * np.array(way)

    def hidden(self, times: Float[np.ndarray, " n"]) -> np.ndarray:
        """Whether the object is invisible or completely outside the picture."""
        centre = self.centre(times)
        outside = (centre < -self.radius) | (centre > 1 + self.radius)
        return outside.any(axis=1) | (self.opacity(times) < 0.02)

    def plainly_visible(self, times: Float[np.ndarray, " n"]) -> np.ndarray:
        """Whether at least about half of the object is in the picture."""
        centre = self.centre(times)
        inside = (centre > 0) & (centre < 1)
        return inside.all(axis=1) & (self.opacity(times) > 0.6)


def sample_scene(rng: np.random.Generator, *, pair: bool | None = None, **fixed: str) -> Scene:
    """Draws a scene.

    Args:
        pair: whether there are two objects; None draws that at random.
        fixed: shape, colour, second_colour, background, motion, size, pace, pattern or scroll.
    """
    if pair is None:
        pair = rng.random() < SHARE_OF_PAIRS and fixed.get("motion", "still") in PAIR_MOTIONS
    scene = (_sample_pair if pair else _sample_object)(rng, fixed)
    return replace(scene, caption=describe(rng, scene))


def sample_plain_scene(rng: np.random.Generator) -> Scene:
    """Draws a scene of the easier world: one object of one size on a plain background."""
    chosen = {name: str(rng.choice(options)) for name, options in PLAIN.items()}
    return sample_scene(rng, pair=False, **chosen)


def _sample_object(rng: np.random.Generator, fixed: dict[str, str]) -> Scene:
    shape, colour = (
        fixed.get("shape") or choose(rng, SHAPES),
        fixed.get("colour") or choose(rng, COLOURS),
    )
    background, motion = (
        fixed.get("background") or choose(rng, BACKGROUNDS),
        fixed.get("motion") or choose(rng, MOTIONS, MOTION_WEIGHTS),
    )
    second_colour = fixed.get("second_colour")
    if second_colour is None and rng.random() < 0.8:
        second_colour = str(rng.choice([name for name in COLOURS if name != colour]))
    size, pace = (
        fixed.get("size") or choose(rng, SIZES, COMMON),
        fixed.get("pace") or choose(rng, PACES, COMMON),
    )
    if motion in ("still", "fading"):
        pace = "normal"

    pattern = "plain"
    if (
        motion in PANS or rng.random() < SHARE_OF_PATTERNS
    ):  # a pan over a plain background would be invisible
        pattern = str(rng.choice(["striped", "checkered"]))
    pattern = fixed.get("pattern", pattern)
    is_scrolling = pattern != "plain" and motion not in PANS and rng.random() < SHARE_OF_SCROLLS
    scroll = fixed.get("scroll") or (str(rng.choice(list(DIRECTIONS))) if is_scrolling else "none")

    shade = rng.uniform(-0.05, 0.05, (2, 3))
    rgb = np.clip(np.array(COLOURS[colour]) + shade[0], 0, 1)
    second_rgb = (
        np.clip(np.array(COLOURS[second_colour]) + shade[1], 0, 1) if second_colour else rgb
    )

    radius, speed = between(rng, *RADIUS[size]), between(rng, *SPEED[pace])
    start = rng.uniform(radius, 1 - radius, 2)
    if motion in EXIT_DIRECTIONS:
        # A video begins with the object in the picture, far from where it leaves.
        way = EXIT_DIRECTIONS[motion]
        entry = rng.uniform(0.8 * radius, 0.42)
        start[_axis(way)] = entry if sum(way) > 0 else 1 - entry
    elif motion == "circling":
        start = rng.uniform(0.47, 0.53, 2)
    gap = float(speed * rng.uniform(9, 13))
    return Scene(
        shape=shape,
        colour=colour,
        second_colour=second_colour,
        background=background,
        motion=motion,
        size=size,
        pace=pace,
        pattern=pattern,
        scroll=scroll,
        rgb=tuple(rgb.tolist()),
        second_rgb=tuple(second_rgb.tolist()),
        background_shift=between(rng, -0.03, 0.03),
        radius=radius,
        start=tuple(start.tolist()),
        speed=speed,
        gap=gap * float(rng.choice([-1, 1])) if motion == "circling" else gap,
        period=between(rng, *(CIRCLING_PERIOD[pace] if motion == "circling" else (34, 44))),
        phase=float(rng.random()),
        wavelength=between(rng, 0.34, 0.5),
        scroll_speed=between(rng, 0.02, 0.034),
    )


def _sample_pair(rng: np.random.Generator, fixed: dict[str, str]) -> Scene:
    """Draws one object above another: the same motion, but separate start and speed."""
    motion = fixed.get("motion") or str(rng.choice(PAIR_MOTIONS))
    upper = _sample_object(rng, fixed | {"motion": motion, "size": "medium"})
    shared = {"motion": motion, "size": "medium", "pace": upper.pace}
    colour = str(rng.choice([name for name in COLOURS if name != upper.colour]))
    lower = _sample_object(rng, shared | {"colour": colour, "background": upper.background})

    def placed(scene: Scene, heights: tuple[float, float]) -> Scene:
        radius = float(rng.uniform(*PAIR_RADIUS))
        x = float(np.clip(scene.start[0], radius, 1 - radius))
        speed = upper.speed if motion in PANS else scene.speed
        start = (x, float(rng.uniform(*heights)))
        return replace(scene, radius=radius, start=start, speed=speed)

    upper, lower = (placed(*pair) for pair in zip((upper, lower), PAIR_HEIGHTS, strict=True))
    return replace(upper, companion=lower)


def _axis(way: tuple[int, int]) -> int:
    return 0 if way[0] else 1
