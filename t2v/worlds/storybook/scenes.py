"""Scenes of the storybook: an animal or vehicle in one colour, a place, and a motion.

Half of the captions state no colour, and a quarter of those with motion to the left or right state
no direction. Only a memory can keep what a caption leaves out; nothing drawn contradicts it.
Sprites face the direction of their motion. A sprite that leaves the picture comes back after 9
frames or more, so that the CAM's 8 conditioning frames do not show it and only the anchor does.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from t2v.worlds.chance import between, choose
from t2v.worlds.storybook.captions import CAMERA, COLOURS, MOTIONS, PLACE_PHRASES, describe
from t2v.worlds.storybook.sprites import SPRITES, extent
from t2v.worlds.world import DIRECTIONS


# Where the ground begins, in sides from the top.
GROUND = {
    "snow field": 0.68,
    "street": 0.72,
    "desert": 0.66,
    "sea": 0.60,
    "meadow": 0.68,
    "night sky": 0.84,
}
PLACES = {  # usual places of each kind
    "land": ("snow field", "street", "desert", "meadow"),
    "water": ("sea",),
    "air": tuple(GROUND),
}
SHARE_OF_ODD_PLACES = 0.25  # such as a whale on the street, so that all combinations occur
SHARE_WITH_COLOUR, SHARE_WITH_WAY = 0.5, 0.75
# The picture moves opposite to the camera.
PANS = {"pan left": (1, 0), "pan right": (-1, 0)}
EXIT_DIRECTIONS = DIRECTIONS | PANS  # motions that leave the picture, and their direction
ON_THE_GROUND = ("left", "right", "jumping", "still", *PANS)
IN_THE_AIR = tuple(MOTIONS)
SIDE = (0.50, 0.65)
SPEED = (0.034, 0.048)
STEP = 6.0  # frames per step of a walking animal


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One video. Lengths are in units of the picture's side, times in frames."""

    sprite: str
    colour: str
    scene: str
    motion: str
    says_colour: bool
    says_way: bool
    rgb: tuple[float, float, float]
    sky_shift: float  # the exact shade of the sky
    feature_x: float  # of the large feature of the scene, at frame 0
    side: float  # of the drawing's larger side
    start: tuple[float, float]  # centre of the drawing at frame 0, on the ground if it jumps
    speed: float  # per frame
    gap: float  # distance that the sprite travels outside the picture
    height: float  # of a jump
    period: float  # of a jump
    phase: float
    looks_left: bool
    companion: None = None
    caption: str = ""

    @property
    def stays(self) -> bool:
        return self.motion == "still" or self.motion in PANS

    @property
    def half(self) -> Float[np.ndarray, " 2"]:
        """Half the width and half the height of the drawing."""
        return np.array(extent(self.sprite)) * self.side / 2

    def centre(self, times: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
        centres = np.tile(np.array(self.start), (len(times), 1))
        if self.motion in EXIT_DIRECTIONS:
            # Leaves the picture, travels `gap` outside of it, and comes back on the other side.
            axis = 0 if EXIT_DIRECTIONS[self.motion][0] else 1
            sign, half = EXIT_DIRECTIONS[self.motion][axis], self.half[axis]
            span = 1 + 2 * half + self.gap
            travelled = (self.start[axis] if sign > 0 else 1 - self.start[axis]) + half
            position = (travelled + self.speed * times) % span - half
            centres[:, axis] = position if sign > 0 else 1 - position
        if self.motion == "jumping":
            centres[:, 1] -= self.height * np.abs(
                np.sin(np.pi * (times / self.period + self.phase))
            )
        elif self.motion in ("left", "right"):
            centres[:, 1] -= self._stride(times)
        return centres

    def _stride(self, times: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Vertical displacement while it moves: steps on land, waves elsewhere."""
        if self.sprite == "car":
            return np.zeros(len(times))
        if SPRITES[self.sprite].kind == "land":
            return 0.025 * np.abs(np.sin(np.pi * (times / STEP + self.phase)))
        return 0.015 * np.sin(np.pi * (times / STEP + self.phase))

    def angle(self, times: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Rotation in radians, clockwise."""
        lean = SPRITES[self.sprite].lean * (-1 if self.looks_left else 1)
        is_rocking = self.motion in ("left", "right") and self.sprite != "car"
        rocking = 0.05 * np.sin(np.pi * (times / STEP + self.phase)) if is_rocking else 0.0
        return np.zeros(len(times)) + lean + rocking

    def feature_place(self, times: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """X of the large feature: it is far away and moves half as fast when the camera pans."""
        way = PANS.get(self.motion, (0, 0))[0]
        return (self.feature_x + 0.5 + 0.5 * way * self.speed * times) % 2 - 0.5

    def hidden(self, times: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        centre = self.centre(times)
        return np.any((centre <= -self.half) | (centre >= 1 + self.half), axis=1)

    def plainly_visible(self, times: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        centre = self.centre(times)
        return np.all((centre > 0) & (centre < 1), axis=1)


def sample_scene(rng: np.random.Generator, **fixed: str | bool) -> Scene:
    """Draws a scene.

    Args:
        fixed: sprite, colour, scene, motion, says_colour or says_way.
    """
    sprite, colour = (
        str(fixed.get("sprite") or choose(rng, SPRITES)),
        str(fixed.get("colour") or choose(rng, COLOURS)),
    )
    kind = SPRITES[sprite].kind
    motion = str(fixed.get("motion") or choose(rng, IN_THE_AIR if kind == "air" else ON_THE_GROUND))
    is_odd = rng.random() < SHARE_OF_ODD_PLACES
    place = str(fixed.get("scene") or choose(rng, PLACE_PHRASES if is_odd else PLACES[kind]))

    side = between(rng, *SIDE)
    half = np.array(extent(sprite)) * side / 2
    start = [between(rng, half[0], 1 - half[0]), _height(rng, kind, place, half[1])]
    if motion in EXIT_DIRECTIONS:
        # A video begins with the sprite in the picture, far from where it leaves.
        axis = 0 if EXIT_DIRECTIONS[motion][0] else 1
        entry = between(rng, 0.8 * half[axis], 0.42)
        start[axis] = entry if EXIT_DIRECTIONS[motion][axis] > 0 else 1 - entry
    looks_left = {"left": True, "right": False, "pan left": True, "pan right": False}.get(
        motion, bool(rng.random() < 0.5)
    )
    speed = between(rng, *SPEED)
    shade = rng.uniform(-0.03, 0.03, 3)
    says_colour = bool(fixed.get("says_colour", rng.random() < SHARE_WITH_COLOUR))
    says_way = bool(fixed.get("says_way", rng.random() < SHARE_WITH_WAY))
    scene = Scene(
        sprite=sprite,
        colour=colour,
        scene=place,
        motion=motion,
        says_colour=says_colour,
        says_way=says_way or motion not in ("left", "right"),
        rgb=tuple(np.clip(np.array(COLOURS[colour]) + shade, 0, 1).tolist()),
        sky_shift=between(rng, -0.03, 0.03),
        feature_x=between(rng, 0.1, 0.9),
        side=side,
        start=(start[0], start[1]),
        speed=speed,
        gap=speed * between(rng, 9, 13),
        height=between(rng, 0.12, 0.18),
        period=between(rng, 10, 14),
        phase=float(rng.random()),
        looks_left=looks_left,
    )
    return replace(scene, caption=describe(rng, scene))


def sample_plain_scene(rng: np.random.Generator) -> Scene:
    """Draws a scene of the easier world: a usual place and a still camera."""
    sprite = str(rng.choice(list(SPRITES)))
    kind = SPRITES[sprite].kind
    motions = IN_THE_AIR if kind == "air" else ON_THE_GROUND
    motion = str(rng.choice([name for name in motions if name not in CAMERA]))
    return sample_scene(
        rng, sprite=sprite, motion=motion, scene=str(rng.choice(list(PLACES[kind])))
    )


def _height(rng: np.random.Generator, kind: str, place: str, half: float) -> float:
    """Draws y of the centre of a sprite that stands, swims or flies."""
    if kind == "air":
        return float(rng.uniform(0.36, 0.54))
    low, high = (0.12, 0.22) if place != "night sky" else (0.04, 0.12)
    return float(min(GROUND[place] + rng.uniform(low, high), 0.97)) - half
