"""Captions of the storybook: the values of all attributes, and their phrases."""

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from t2v.worlds.chance import choose
from t2v.worlds.storybook.sprites import SPRITES


if TYPE_CHECKING:
    from t2v.worlds.storybook.scenes import Scene

COLOURS = {
    "red": (0.86, 0.19, 0.17),
    "orange": (0.96, 0.54, 0.13),
    "yellow": (0.98, 0.83, 0.22),
    "green": (0.22, 0.62, 0.32),
    "blue": (0.18, 0.42, 0.88),
    "purple": (0.54, 0.30, 0.76),
    "pink": (0.97, 0.54, 0.72),
    "white": (0.96, 0.96, 0.94),
}
COLOUR_WORDS = {name: (name,) for name in COLOURS} | {"purple": ("purple", "purple", "violet")}
SPRITE_WORDS = {name: (name,) for name in SPRITES} | {
    "squirrel": ("squirrel", "squirrel", "chipmunk"),
    "horse": ("horse", "horse", "pony"),
    "rabbit": ("rabbit", "rabbit", "bunny", "hare"),
    "sailboat": ("sailboat", "sailboat", "boat", "sailing boat"),
    "car": ("car", "car", "jeep"),
    "rocket": ("rocket", "rocket", "space rocket"),
    "ufo": ("ufo", "ufo", "flying saucer", "spaceship"),
}
PLACE_PHRASES = {
    "snow field": ("on the snow field", "over the snow field", "in the snow", "on snow"),
    "street": ("on the street", "on a street", "in the city", "on the road"),
    "desert": ("in the desert", "in a desert", "on the sand", "over the dunes"),
    "sea": ("on the sea", "over the sea", "in the ocean", "on the water"),
    "meadow": ("on the meadow", "over the meadow", "on the grass", "in the grass"),
    "night sky": ("in the night sky", "at night", "under the moon", "in the moonlight"),
}
# Verbs of sprites that move and of sprites that stay, by kind or sprite.
GOING = {
    "land": ("walking", "walking", "running", "going", "moving"),
    "water": ("swimming", "swimming", "going", "moving"),
    "air": ("flying", "flying", "going", "moving"),
    "car": ("driving", "driving", "going", "moving"),
    "sailboat": ("sailing", "sailing", "going", "moving"),
}
STAYING = {
    "land": ("resting", "standing", "standing still", "sitting", "waiting"),
    "water": ("resting", "floating", "waiting"),
    "air": ("floating", "hovering", "standing still"),
    "car": ("parked", "standing", "standing still", "waiting"),
    "sailboat": ("resting", "floating", "waiting"),
}
MOTIONS = {
    "left": ("{} left", "{} to the left"),
    "right": ("{} right", "{} to the right"),
    "up": ("{} up", "rising", "taking off"),
    "down": ("{} down", "coming down", "landing"),
    "jumping": ("jumping", "jumping", "hopping", "bouncing"),
    "still": ("{}",),
    "pan left": ("{}",),
    "pan right": ("{}",),
}
CAMERA = {
    "pan left": ("as the camera pans left", "while the camera moves left"),
    "pan right": ("as the camera pans right", "while the camera moves right"),
}


def describe(rng: np.random.Generator, scene: "Scene") -> str:
    """Draws one of several captions of a scene, without the attributes that it leaves out."""
    words = [choose(rng, COLOUR_WORDS[scene.colour])] if scene.says_colour else []
    words.append(choose(rng, SPRITE_WORDS[scene.sprite]))
    article = "an" if words[0][0] in "aeio" else "a"  # "a ufo"
    thing = " ".join([choose(rng, [article] * 4 + ["the"]), *words])

    own = scene.sprite if scene.sprite in GOING else SPRITES[scene.sprite].kind
    verb = choose(rng, (STAYING if scene.stays else GOING)[own])
    motion = choose(rng, MOTIONS[scene.motion]).format(verb) if scene.says_way else verb
    place = choose(rng, PLACE_PHRASES[scene.scene])
    camera = " " + choose(rng, CAMERA[scene.motion]) if scene.motion in CAMERA else ""
    if rng.random() < 0.85:
        return f"{thing} {motion} {place}{camera}"
    return f"{place}, {thing} {motion}{camera}"


def vocabulary() -> list[str]:
    """Every word a caption can contain, sorted."""
    groups = (COLOUR_WORDS, SPRITE_WORDS, PLACE_PHRASES, GOING, STAYING, MOTIONS, CAMERA)
    phrases = chain.from_iterable(chain.from_iterable(group.values() for group in groups))
    words = " ".join([*phrases, "a an the , ."]).replace("{}", "").split()
    return sorted(set(words))
