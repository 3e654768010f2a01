"""The words for the world of the `shapes` stack: everything that has a name, and how it is said."""

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np


if TYPE_CHECKING:
    from t2v.training.world import Scene

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
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
SCROLL_PHRASES = {
    "none": (),
    **{name: (f"scrolling {name}", f"drifting {name}") for name in DIRECTIONS},
}
# The camera goes one way, so that all there is goes the other.
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


def describe(rng: np.random.Generator, scene: "Scene") -> str:
    """One of several ways to say the same scene."""

    def choose(phrases) -> str:
        return str(rng.choice(phrases))

    def thing(one: "Scene") -> str:
        size = [choose(SIZES[one.size])] if SIZES[one.size] else []
        words = [*size, choose(COLOUR_WORDS[one.colour]), choose(SHAPES[one.shape])]
        article = choose(["an" if words[0].startswith("o") else "a"] * 2 + ["the", "one"])
        return " ".join([article, *words])

    things = thing(scene)
    if scene.companion:
        things += choose([" above ", " and , below it , "]) + thing(scene.companion)
    motion = choose(MOTIONS[scene.motion])
    if PACES[scene.pace]:
        motion += " " + choose(PACES[scene.pace])
    phrases = PATTERN_PHRASES[scene.pattern] or BACKGROUND_PHRASES[scene.background]
    place = choose(phrases).format(scene.background)
    if SCROLL_PHRASES[scene.scroll]:
        place += " " + choose(SCROLL_PHRASES[scene.scroll])
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
