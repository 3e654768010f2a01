"""Options of commands whose videos can begin with an image or a clip."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from t2v.cli.progress import print_notices
from t2v.errors import ConfigError
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import Preset


if TYPE_CHECKING:
    from t2v.events import Start


def add_start(command: argparse.ArgumentParser) -> None:
    """Adds --image, --video and --fit."""
    begins = command.add_mutually_exclusive_group()
    begins.add_argument(
        "--image",
        type=Path,
        metavar="FILE",
        help="Begin with this picture, if the preset can.",
    )
    begins.add_argument(
        "--video",
        type=Path,
        metavar="FILE",
        help="Go on from the end of this clip; `longtake presets NAME` says how long it must be.",
    )
    command.add_argument(
        "--fit",
        metavar="NAME",
        help="How a picture of another shape is fitted: crop or letterbox (default: crop).",
    )


def read_start(
    options: argparse.Namespace, preset: Preset, config: GenerationConfig, like: str = ""
) -> "Start | None":
    """What the video begins with, read and fitted; None for text alone.

    Args:
        like: what the video of --like began with, if it did.

    Raises:
        ConfigError: the options do not go together, the preset cannot begin with this, or the clip
            is too short.
        FileError: the file cannot be read.
    """
    if options.image is None and options.video is None:
        if options.fit is not None:
            raise ConfigError("--fit says how --image or --video are fitted; give one of them")
        if like:
            kind = like.partition(" ")[0]
            option = "--image" if kind == "image" else "--video"
            raise ConfigError(
                f"the video of --like began with {'an' if kind == 'image' else 'a'} {kind}; give "
                f"the same again with {option} FILE"
            )
        return None
    from t2v.starting import read_clip, read_image

    size, fit = config.frame_size or preset.frame_size, options.fit or "crop"
    if options.image is not None:
        preset.check_image()
        return read_image(options.image, size, fit)
    fewest, most = preset.find_clip_frames()
    start, clip = read_clip(options.video, size, fit, preset.fps, most)
    print_notices(clip)
    if len(start.frames) < fewest:
        raise ConfigError(
            f"--video must have at least {fewest} frames for the {preset.name} preset "
            f"({fewest / preset.fps:.1f} s), and has {len(start.frames)}"
        )
    return start
