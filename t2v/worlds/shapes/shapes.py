"""The shapes world: its World interface."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from t2v.worlds.shapes.captions import (
    BACKGROUNDS,
    COLOURS,
    DIRECTIONS,
    MOTIONS,
    PACES,
    PANS,
    PATTERN_PHRASES,
    SCROLL_PHRASES,
    SHAPES,
    SIZES,
    vocabulary,
)
from t2v.worlds.shapes.drawing import draw
from t2v.worlds.shapes.masks import object_mask
from t2v.worlds.shapes.scenes import EXIT_DIRECTIONS, Scene, sample_plain_scene, sample_scene
from t2v.worlds.world import MEMORY_BARS, NONE, World


class Shapes(World[Scene]):
    """Coloured shapes. The lower part of an object has a second colour that no caption states."""

    name = "shapes"
    examples = (
        "a red star moving left on a navy background",
        "a pink heart bouncing up and down over a sunset gradient",
        "a large blue ring circling around slowly on gray",
        "a small white moon flying up in the sky",
        "a purple diamond standing still on a striped teal background scrolling left",
        "a green square fading in and out over maroon checks",
        "an orange triangle while the camera pans right on a checkered navy background",
        "a blue circle above a red cross bouncing from side to side over black",
    )
    sheet_captions = tuple(
        f"a {colour} {shape} {motion} on a {background} background"
        for colour, shape, motion, background in zip(
            ("red", "yellow", "green", "blue", "purple", "white") * 2,
            ("star", "circle", "square", "triangle", "ring", "cross",
             "cross", "square", "star", "ring", "circle", "triangle"),
            ("moving left", "moving right", "moving up", "moving down", "standing still",
             "circling around", "bouncing up and down", "bouncing from side to side",
             "moving right", "moving left", "moving down", "moving up"),
            ("black", "navy", "gray", "teal", "maroon", "black") * 2,
            strict=True,
        )
    )  # fmt: skip

    latent_channels = 12
    object_weight = 0.0
    skip_temporal_layers_at_one_frame = False  # the bundled weights were trained without

    attributes: ClassVar = {
        "shape": tuple(SHAPES),
        "colour": tuple(COLOURS),
        "background": tuple(BACKGROUNDS),
        "motion": tuple(MOTIONS),
        "size": tuple(SIZES),
        "pace": tuple(PACES),
        "pattern": tuple(PATTERN_PHRASES),
        "scroll": tuple(SCROLL_PHRASES),
        "other_shape": (*SHAPES, NONE),
        "other_colour": (*COLOURS, NONE),
    }
    probe_classes: ClassVar = {
        "shape": tuple(SHAPES),
        "colour": tuple(COLOURS),
        "second_colour": (*COLOURS, NONE),
        "background": tuple(BACKGROUNDS),
        "pattern": tuple(PATTERN_PHRASES),
    }
    scene_classes = ("background", "pattern")

    measured = ("colour", "shape", "background", "pattern")
    of_both = ("colour", "shape")
    remembered = "second_colour"
    exit_directions = EXIT_DIRECTIONS
    always_moving = ("side to side", "up and down", "circling")
    pair_motions = ("side to side", "still")
    bars: ClassVar = {
        "colour": ">= 0.95", "shape": ">= 0.85", "direction": ">= 0.85", "background": ">= 0.95",
        **MEMORY_BARS,
    }  # fmt: skip

    def vocabulary(self) -> list[str]:
        return vocabulary()

    def sample(self, rng: np.random.Generator, *, pair: bool | None = None, **fixed: str) -> Scene:
        return sample_scene(rng, pair=pair, **fixed)

    def sample_plain(self, rng: np.random.Generator) -> Scene:
        return sample_plain_scene(rng)

    def sample_to_remember(self, rng: np.random.Generator) -> Scene:
        return sample_scene(rng)

    def draw(
        self, scenes: list[Scene], times: Float[np.ndarray, "n f"], size: int = 64
    ) -> UInt8[Tensor, "n f {size} {size} 3"]:
        return draw(scenes, times, size)

    def boxes(
        self, scenes: list[Scene], times: Float[np.ndarray, "n f"]
    ) -> Float[np.ndarray, "n f 4"]:
        centres = np.stack([scene.centre(t) for scene, t in zip(scenes, times, strict=True)])
        radii = np.array([scene.radius for scene in scenes])[:, None, None]
        return np.concatenate([centres - radii, centres + radii], axis=-1)

    def caption_value(self, scene: Scene, name: str) -> str:
        if not name.startswith("other_"):
            return getattr(scene, name)
        return getattr(scene.companion, name.removeprefix("other_")) if scene.companion else NONE

    def truth(self, scene: Scene, name: str) -> str:
        return getattr(scene, name) or NONE

    def scroll(self, scene: Scene) -> str | None:
        if scene.pattern == "plain":
            return None
        if scene.motion not in PANS:
            return scene.scroll
        return next(name for name, way in DIRECTIONS.items() if way == PANS[scene.motion])

    def keeps_its_colours(self, scene: Scene) -> bool:
        """The object stays visible on a plain background and covers less than half of a row."""
        is_seen = scene.motion in (*self.always_moving, "still")
        return is_seen and scene.pattern == "plain" and scene.size != "large"

    def object_colours(
        self,
        frame: UInt8[np.ndarray, "h w 3"],
        centre: Float[np.ndarray, " 2"],  # noqa: ARG002 # the mask shows it
    ) -> Float[np.ndarray, "parts 3"]:
        return object_colours(frame)


def object_colours(frame: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "2 3"]:
    """Mean RGB of the upper and of the lower half of the object; nan if there is no object."""
    values, mask = frame.astype(float), object_mask(frame)
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return np.full((2, 3), np.nan)
    upper, lower = mask.copy(), mask.copy()
    middle = int(rows.mean()) + 1
    upper[middle:], lower[:middle] = False, False
    return np.stack([values[half].mean(axis=0) if half.any() else values[mask].mean(axis=0)
                     for half in (upper, lower)])  # fmt: skip
