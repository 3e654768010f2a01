"""Bases: the kinds of models that a preset can be built on, and what each of them can do.

The paper's method, which `storybook`, `shapes` and `modelscope` have, remembers frames: the CAM
reads the last 8, the APM the first one. Helios remembers latents: a history of the last ones, and
the first one. The settings of one pair of memories mean nothing to the other.

The baselines are methods to compare the paper's with. Their only memory is the end of the video so
far (FramePack's also its first frame), which cannot be switched off.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


BaseName = Literal[
    "streaming_t2v",
    "helios",
    "svd",
    "i2vgen_xl",
    "sparsectrl",
    "freenoise",
    "framepack",
    "skyreels_v2",
]
MemoryName = Literal["short", "long"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What all presets on one kind of model have in common.

    Args:
        unused: settings of GenerationConfig that mean nothing to it.
        without: the settings that switch its memories off; empty where nothing does.
        needed: files of its weights, where they are not in our own layout.
        min_steps: denoising steps that a chunk needs at least.
        takes_image: whether its videos can begin with an image, whatever its weights are.
        clip_frames: of a clip that a video goes on from: the fewest, and how many are read; None
            where no video can.
        is_baseline: one of `t2v/baselines/`, which the paper's method is compared with.
    """

    unused: frozenset[str]
    without: Mapping[MemoryName, Mapping[str, Any]]
    needed: tuple[str, ...] = ()
    min_steps: int = 1
    takes_image: bool = False
    clip_frames: tuple[int, int] | None = (16, 16)
    is_baseline: bool = False


# What none of the baselines reads: each has the sampler that its weights were published with.
NOT_OF_BASELINES = frozenset(
    {"scheduler", "apm_strength", "use_cam", "history_length", "use_anchor", "refine", "blending"}
)
CLIP_TEXT = ("text_encoder/config.json", "tokenizer/vocab.json", "tokenizer/merges.txt")
# Models that continue an image need one to begin with: a text-to-image model draws it.
FIRST_IMAGE = (
    "first_image/unet/config.json",
    "first_image/vae/config.json",
    "first_image/text_encoder/config.json",
    "first_image/tokenizer/vocab.json",
    "first_image/tokenizer/merges.txt",
    "first_image/scheduler/scheduler_config.json",
)

BASES: dict[BaseName, Base] = {
    "streaming_t2v": Base(
        unused=frozenset({"history_length", "use_anchor"}),
        without={"short": {"use_cam": False}, "long": {"apm_strength": 0.0}},
    ),
    "helios": Base(
        # Distilled: its guidance is in the weights, its sampler is its own.
        unused=frozenset(
            {
                "negative_prompt",
                "guidance_scale",
                "scheduler",
                "apm_strength",
                "use_cam",
                "refine",
                "blending",
            }
        ),
        without={"short": {"history_length": 0}, "long": {"use_anchor": False}},
        needed=(
            "scheduler/scheduler_config.json",
            "tokenizer/tokenizer.json",
            "text_encoder/config.json",
            "transformer/config.json",
            "vae/config.json",
        ),
        min_steps=3,  # one at every level of the pyramid
        takes_image=True,
        clip_frames=(33, 99),  # whole chunks, as many as the history remembers
    ),
    "svd": Base(
        unused=NOT_OF_BASELINES | {"negative_prompt"},
        without={},
        needed=(
            "unet/config.json",
            "vae/config.json",
            "image_encoder/config.json",
            "feature_extractor/preprocessor_config.json",
            "scheduler/scheduler_config.json",
            *FIRST_IMAGE,
        ),
        takes_image=True,
        clip_frames=(25, 25),
        is_baseline=True,
    ),
    "i2vgen_xl": Base(
        unused=NOT_OF_BASELINES,
        without={},
        needed=(
            "unet/config.json",
            "vae/config.json",
            "image_encoder/config.json",
            "feature_extractor/preprocessor_config.json",
            *CLIP_TEXT,
            "scheduler/scheduler_config.json",
            *FIRST_IMAGE,
        ),
        takes_image=True,
        is_baseline=True,
    ),
    "sparsectrl": Base(
        unused=NOT_OF_BASELINES,
        without={},
        needed=(
            "unet/config.json",
            "motion_adapter/config.json",
            "controlnet/config.json",
            "vae/config.json",
            *CLIP_TEXT,
            "scheduler/scheduler_config.json",
        ),
        takes_image=True,
        is_baseline=True,
    ),
    "freenoise": Base(
        unused=NOT_OF_BASELINES | {"reseed"},  # one seed for the whole video
        without={},
        needed=(
            "unet/config.json",
            "motion_adapter/config.json",
            "vae/config.json",
            *CLIP_TEXT,
            "scheduler/scheduler_config.json",
        ),
        clip_frames=None,  # it draws the whole video at once
        is_baseline=True,
    ),
    "framepack": Base(
        unused=NOT_OF_BASELINES | {"negative_prompt"},  # distilled with guidance
        without={},
        needed=(
            "transformer/config.json",
            "vae/config.json",
            "text_encoder/config.json",
            "tokenizer/tokenizer.json",
            "text_encoder_2/config.json",
            "tokenizer_2/vocab.json",
            "tokenizer_2/merges.txt",
            "scheduler/scheduler_config.json",
            "image_encoder/config.json",
            "feature_extractor/preprocessor_config.json",
            *FIRST_IMAGE,
        ),
        takes_image=True,
        clip_frames=(37, 37),
        is_baseline=True,
    ),
    "skyreels_v2": Base(
        unused=NOT_OF_BASELINES,
        without={},
        needed=(
            "transformer/config.json",
            "vae/config.json",
            "text_encoder/config.json",
            "tokenizer/tokenizer.json",
            "scheduler/scheduler_config.json",
        ),
        takes_image=True,
        clip_frames=(97, 97),
        is_baseline=True,
    ),
}
