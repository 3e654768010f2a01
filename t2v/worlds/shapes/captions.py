"""Captions of the shapes world: the values of all attributes, and their phrases."""

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from t2v.worlds.chance import choose
from t2v.worlds.world import DIRECTIONS


if TYPE_CHECKING:
    from t2v.worlds.shapes.scenes import Scene

COLOURS = {
    "red": (0.88, 0.12, 0.12),
    "orange": (0.97, 0.52, 0.10),
    "yellow": (0.96, 0.84, 0.12),
    "green": (0.13, 0.74, 0.24),
    "blue": (0.16, 0.42, 0.96),
    "purple": (0.64, 0.24, 0.82),
    "pink": (0.98, 0.56, 0.76),
    "white": (0.94, 0.94, 0.94),
}
COLOUR_WORDS = {name: (name,) for name in COLOURS} | {"purple": ("purple", "purple", "violet")}
SHAPES = {
    "circle": ("circle", "disc", "ball"),
    "square": ("square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
    "ring": ("ring", "donut"),
    "cross": ("cross", "plus"),
    "diamond": ("diamond", "rhombus"),
    "heart": ("heart",),
    "moon": ("moon", "crescent"),
}
# Colour at the top and at the bottom.
BACKGROUNDS = {
    "black": ((0.03, 0.03, 0.03),) * 2,
    "gray": ((0.36, 0.36, 0.36),) * 2,
    "navy": ((0.06, 0.09, 0.28),) * 2,
    "teal": ((0.04, 0.30, 0.29),) * 2,
    "maroon": ((0.31, 0.06, 0.10),) * 2,
    "sunset": ((0.24, 0.12, 0.34), (0.60, 0.32, 0.10)),
    "sky": ((0.10, 0.20, 0.42), (0.48, 0.62, 0.74)),
}
PLAIN_PHRASES = ("on a {} background", "over {}", "in front of a {} wall", "on {}")
BACKGROUND_PHRASES = {name: PLAIN_PHRASES for name in BACKGROUNDS} | {
    "sunset": ("at sunset", "in front of a sunset", "over a sunset gradient"),
    "sky": ("in the sky", "in front of a blue sky", "over a sky gradient"),
}
PATTERN_PHRASES = {
    "plain": (),
    "striped": ("on a striped {} background", "over {} stripes", "in front of a striped {} wall"),
    "checkered": ("on a checkered {} background", "over {} checks", "before a {} checkerboard"),
}
SCROLL_PHRASES = {
    "none": (),
    **{name: (f"scrolling {name}", f"drifting {name}") for name in DIRECTIONS},
}
# The picture moves opposite to the camera.
PANS = {"pan left": (1, 0), "pan right": (-1, 0)}
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
    "pan left": ("while the camera pans left", "as the camera moves left"),
    "pan right": ("while the camera pans right", "as the camera moves right"),
}
SIZES = {"small": ("small", "little"), "medium": (), "large": ("large", "big")}
PACES = {"slow": ("slowly",), "normal": (), "fast": ("quickly", "fast")}


def _name(rng: np.random.Generator, scene: "Scene") -> str:
    """Draws one of several names of the object."""
    size = [choose(rng, SIZES[scene.size])] if SIZES[scene.size] else []
    words = [
        *size,
        choose(rng, COLOUR_WORDS[scene.colour]),
        choose(rng, SHAPES[scene.shape]),
    ]
    article = choose(rng, ["an" if words[0].startswith("o") else "a"] * 2 + ["the", "one"])
    return " ".join([article, *words])


def describe(rng: np.random.Generator, scene: "Scene") -> str:
    """Draws one of several captions of a scene."""
    things = _name(rng, scene)
    if scene.companion:
        things += choose(rng, [" above ", " and , below it , "]) + _name(rng, scene.companion)
    motion = choose(rng, MOTIONS[scene.motion])
    if PACES[scene.pace]:
        motion += " " + choose(rng, PACES[scene.pace])
    phrases = PATTERN_PHRASES[scene.pattern] or BACKGROUND_PHRASES[scene.background]
    place = choose(rng, phrases).format(scene.background)
    if SCROLL_PHRASES[scene.scroll]:
        place += " " + choose(rng, SCROLL_PHRASES[scene.scroll])
    text = f"{things} {motion} {place}" if rng.random() < 0.8 else f"{place} , {things} {motion}"
    return text.replace(" ,", ",")


def vocabulary() -> list[str]:
    """Every word a caption can contain, sorted."""
    groups = (COLOUR_WORDS, SHAPES, BACKGROUND_PHRASES, PATTERN_PHRASES, SCROLL_PHRASES, MOTIONS,
              SIZES, PACES)  # fmt: skip
    phrases = chain.from_iterable(chain.from_iterable(group.values() for group in groups))
    others = [*BACKGROUNDS, "a an the one is of and with above below it , ."]
    words = " ".join([*phrases, *others]).replace("{}", "").split()
    return sorted(set(words))
