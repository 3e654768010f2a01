"""The storybook: its World interface."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from t2v.worlds.storybook.captions import COLOURS, MOTIONS, PLACE_PHRASES, vocabulary
from t2v.worlds.storybook.drawing import draw
from t2v.worlds.storybook.scenes import EXIT_DIRECTIONS, Scene, sample_plain_scene, sample_scene
from t2v.worlds.storybook.sprites import SPRITES
from t2v.worlds.world import MEMORY_BARS, UNSAID, World


GOING = "going"  # motion whose direction the caption leaves out
HEART = 0.12  # radius around the centre that nearly every sprite fills, in sides


class Storybook(World[Scene]):
    """Animals and vehicles as if cut from paper. Half of the captions leave out the colour."""

    name = "storybook"
    examples = (
        "a squirrel jumping over the snow field",
        "a camel resting on the snow field",
        "a tiger walking on the street",
        "a camel running on the snow field",
        "a purple whale swimming left in the ocean",
        "a rocket taking off in the night sky",
        "a yellow car driving to the left in the desert",
        "a green dragon hovering over the sea as the camera pans right",
    )
    sheet_captions = (
        "a squirrel jumping over the snow field",
        "a red camel resting in the desert",
        "a tiger walking on the street",
        "a white horse running to the right on the meadow",
        "a purple whale swimming left on the sea",
        "a red rocket flying up in the night sky",
        "a yellow car driving to the left on the street",
        "a pink elephant standing on the meadow",
        "a blue penguin walking to the right on the snow field",
        "a green dragon flying left over the sea",
        "an orange giraffe walking left in the desert",
        "a white sailboat sailing to the right on the sea",
    )

    latent_channels = 16
    object_weight = 2.0
    skip_temporal_layers_at_one_frame = True

    attributes: ClassVar = {
        "sprite": tuple(SPRITES),
        "colour": (*COLOURS, UNSAID),
        "scene": tuple(PLACE_PHRASES),
        "motion": (*MOTIONS, GOING),
    }
    probe_classes: ClassVar = {
        "sprite": tuple(SPRITES),
        "colour": tuple(COLOURS),
        "scene": tuple(PLACE_PHRASES),
    }
    scene_classes = ("scene",)

    measured = ("colour", "sprite", "scene")
    of_both = ()
    remembered = "colour"
    exit_directions = EXIT_DIRECTIONS
    always_moving = ("jumping",)
    pair_motions = ()
    bars: ClassVar = {
        "colour": ">= 0.95", "sprite": ">= 0.85", "direction": ">= 0.85", "scene": ">= 0.95",
        **MEMORY_BARS,
    }  # fmt: skip

    def vocabulary(self) -> list[str]:
        return vocabulary()

    def sample(self, rng: np.random.Generator, *, pair: bool | None = None, **fixed: str) -> Scene:
        if pair:
            raise ValueError("the storybook has one sprite in a picture")
        return sample_scene(rng, **fixed)

    def sample_plain(self, rng: np.random.Generator) -> Scene:
        return sample_plain_scene(rng)

    def sample_to_remember(self, rng: np.random.Generator) -> Scene:
        return sample_scene(rng, says_colour=False)

    def draw(
        self, scenes: list[Scene], times: Float[np.ndarray, "n f"], size: int = 64
    ) -> UInt8[Tensor, "n f {size} {size} 3"]:
        return draw(scenes, times, size)

    def boxes(
        self, scenes: list[Scene], times: Float[np.ndarray, "n f"]
    ) -> Float[np.ndarray, "n f 4"]:
        centres = np.stack([scene.centre(t) for scene, t in zip(scenes, times, strict=True)])
        halves = np.stack([scene.half for scene in scenes])[:, None]
        return np.concatenate([centres - halves, centres + halves], axis=-1)

    def caption_value(self, scene: Scene, name: str) -> str:
        if name == "colour" and not scene.says_colour:
            return UNSAID
        if name == "motion" and not scene.says_way:
            return GOING
        return getattr(scene, name)

    def truth(self, scene: Scene, name: str) -> str:
        return getattr(scene, name)

    def scroll(self, scene: Scene) -> str | None:  # noqa: ARG002 # none scrolls
        return None

    def keeps_its_colours(self, scene: Scene) -> bool:
        """The sprite stays in the picture, and its caption states no colour."""
        return scene.motion in ("jumping", "still") and not scene.says_colour

    def object_colours(
        self, frame: UInt8[np.ndarray, "h w 3"], centre: Float[np.ndarray, " 2"]
    ) -> Float[np.ndarray, "parts 3"]:
        height, width = frame.shape[:2]
        x = (np.arange(width) + 0.5) / width - centre[0]
        y = (np.arange(height) + 0.5) / height - centre[1]
        is_near = np.hypot(x, y[:, None]) < HEART
        if not is_near.any():
            return np.full((1, 3), np.nan)
        return frame[is_near].astype(float).mean(axis=0, keepdims=True)
