"""`longtake refine`: sharpen any video."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2v.cli.arguments import (
    MEMORY_HELP,
    Commands,
    add_settings,
    check_memory,
    given,
    naming_options,
)
from t2v.cli.progress import print_notices, report, report_kept, with_progress
from t2v.cli.terminal import say
from t2v.device import default_preset, has_gpu
from t2v.errors import ConfigError, FileError, MediaError, T2VError
from t2v.output_names import check_output, free_path
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import Preset, find_preset, list_presets
from t2v.settings.sizes import SIDES, fit_area


if TYPE_CHECKING:
    from t2v.media.reader import Video


MAX_PROPORTION = 4  # of a video's sides, for the refiner
MAX_FRAMES = 100_000
REFINE_SETTINGS = ("prompt", "negative_prompt", "seed", "blending")
RECORDED = ("prompt", "negative_prompt", "seed")  # taken from the video


def add(commands: Commands) -> None:
    command = commands.add_parser("refine", help="sharpen a video", description=run.__doc__)
    command.add_argument("video", type=Path, help="The video to read.")
    add_settings(command, GenerationConfig, REFINE_SETTINGS)
    command.add_argument("--preset", help="The preset to use; see `longtake presets`.")
    command.add_argument("--memory", help=MEMORY_HELP)
    command.add_argument(
        "--out",
        type=Path,
        help="The .mp4 file to write (default: a new file named after the video).",
    )
    command.add_argument(
        "--no-metadata",
        dest="metadata",
        action="store_false",
        help="Write no settings into the file.",
    )
    command.add_argument("--force", action="store_true", help="Overwrite the file.")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Sharpens any video. It stays as long as it is, with a constant frame rate, without sound.

    Without --prompt, prompt and seed are those that a video of Longtake records; without --preset,
    the preset, if its refiner is here.
    """
    preset = find_preset(options.preset) if options.preset else refining_preset(options.video)
    check_memory(options.memory)
    settings = preset.find_refiner()

    from t2v.media.reader import Video
    from t2v.media.video import VideoWriter

    with naming_options(GenerationConfig):
        config = preset.config(**read_settings(options), refine=True)
    video = Video(options.video)
    check_input(video)
    name = Path(f"{options.video.stem}-refined.mp4")
    out = options.out or free_path(name)
    check_output("--out", out, ".mp4", options.force)
    if out.exists() and out.samefile(options.video):
        raise MediaError("--out is the video that is read; give another name")

    from t2v.media.images import resize
    from t2v.pipeline.refinement import refine
    from t2v.pipeline.refiner_loading import load_refiner
    from t2v.pipeline.streaming_t2v import prompt_notices
    from t2v.provenance import describe_refined

    refiner = load_refiner(preset, memory=options.memory)
    unread = prompt_notices(
        preset.name, refiner.text_encoder, config, refiner.settings.guidance_scale
    )
    for notice in (*refiner.notices, *(notice.text for notice in unread)):
        say(notice, error=True)
    size = fit_area(video.size, settings.display_size, multiple=2)
    metadata = describe_refined(config, preset.name) if options.metadata else None
    total = settings.num_chunks(video.num_frames)
    interrupted, failure = False, None
    with VideoWriter(out, fps=video.fps, metadata=metadata) as writer:
        events = refine(refiner, config, video.pieces(settings.overlap))
        try:
            for chunk in with_progress(events, {"refined": (total, settings.num_inference_steps)}):
                writer.write(resize(chunk.frames, size))
        except KeyboardInterrupt:
            interrupted = True
        except T2VError as error:
            failure = error
    print_notices(video)
    written = [(writer.path, writer.num_frames, writer.seconds)]
    if failure:
        report_kept(written)
        raise failure
    return report(written, interrupted)


def refining_preset(video: Path) -> Preset:
    """The preset that made a video, if its refiner can run here; else the default one.

    Raises:
        MediaError: there is no such file.
    """
    from t2v.provenance import find_values

    preset = list_presets().get(str(find_values(video).get("preset")))
    if preset is None or preset.refiner_unavailable or (preset.needs_gpu and not has_gpu()):
        return default_preset()[0]
    return preset


def read_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given; without a prompt, those of the video under them.

    Raises:
        ConfigError: no prompt was given, and the video records none.
        MediaError: there is no such file.
    """
    settings = given(options, GenerationConfig)
    if "prompt" in settings:
        return settings
    from t2v.provenance import find_values

    values = find_values(options.video)
    if not isinstance(values.get("prompt"), str):
        raise ConfigError(f"{options.video.name} does not say what it shows; say it with --prompt")
    return {name: values[name] for name in RECORDED if name in values} | settings


def check_input(video: "Video") -> None:
    """Checks that the refiner can take a video.

    Raises:
        MediaError: it is too small, too large, too narrow or too long.
    """
    (low, high), (height, width) = SIDES, video.size
    is_size = low <= min(video.size) and max(video.size) <= high
    if not is_size or max(video.size) > MAX_PROPORTION * min(video.size):
        raise FileError(
            f"{video.path.name} must have sides of {low} to {high} pixels, the longer one at most "
            f"{MAX_PROPORTION} times the shorter one, got {width}x{height}"
        )
    if video.num_frames > MAX_FRAMES:
        raise FileError(
            f"{video.path.name} must have at most {MAX_FRAMES} frames, got {video.num_frames}"
        )
