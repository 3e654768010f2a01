"""`longtake generate`: one video from a prompt."""

import argparse
from collections import deque
from contextlib import closing
from dataclasses import asdict, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from t2v import __version__
from t2v.cli.arguments import (
    MEMORY_HELP,
    Commands,
    acceleration,
    add_settings,
    check_memory,
    given,
    naming_options,
    number,
)
from t2v.cli.progress import report, report_kept, with_progress
from t2v.cli.start import add_start, read_start
from t2v.cli.terminal import say
from t2v.device import default_preset
from t2v.errors import ConfigError, PresetError, T2VError
from t2v.events import Track
from t2v.generator import Generator
from t2v.output_names import free_path, name_of
from t2v.settings.acceleration import Acceleration
from t2v.settings.config import SETTINGS, GenerationConfig
from t2v.settings.presets import Preset, find_preset
from t2v.settings.processes import is_first, num_processes


if TYPE_CHECKING:
    from t2v.provenance import Provenance


def add(commands: Commands) -> None:
    command = commands.add_parser("generate", help="make a video", description=run.__doc__)
    add_settings(command, GenerationConfig)
    command.add_argument(
        "--seconds",
        type=number,
        metavar="N",
        help="Length of the video, instead of --chunks: the fewest chunks that are as long.",
    )
    command.add_argument(
        "--like",
        type=Path,
        metavar="FILE",
        help="Take the settings of that video, or of its sidecar JSON. Other options override "
        "them.",
    )
    command.add_argument("--preset", help="The preset to use; see `longtake presets`.")
    command.add_argument("--memory", help=MEMORY_HELP)
    add_settings(command, Acceleration)
    add_start(command)
    command.add_argument(
        "--out",
        type=Path,
        help="The .mp4 file to write (default: a new file named after prompt and seed).",
    )
    command.add_argument(
        "--no-metadata",
        dest="metadata",
        action="store_false",
        help="Write no settings into the file, and no sidecar JSON.",
    )
    command.add_argument(
        "--context-parallel",
        action="store_true",
        help="With helios, several GPUs share every step of the video, one process each: "
        "torchrun --nproc-per-node 2 -m t2v generate --context-parallel ...",
    )
    command.add_argument("--force", action="store_true", help="Overwrite existing files.")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Makes one video. Ctrl-C keeps the finished chunks as a playable file.

    With --refine, a sharper video NAME-refined.mp4 is written next to NAME.mp4.
    """
    preset, config, like = read_settings(options)
    fast = replace(acceleration(options), context_parallel=options.context_parallel)
    check_memory(options.memory)
    if options.context_parallel:
        check_context_parallel(preset)
    refiner = preset.find_refiner() if config.refine else None
    start = read_start(options, preset, config, like.begins_with if like else "")

    from t2v.saving import VideoFiles

    files = VideoFiles(
        options.out or free_name(config, options.metadata),
        preset,
        config,
        write_metadata=options.metadata,
        start=start,
    )
    if is_first():
        files.check("--out", overwrite=options.force)
    totals: dict[Track, tuple[int | None, int]] = {
        "preview": (config.num_chunks, config.num_inference_steps)
    }
    if refiner:
        num_chunks = refiner.num_chunks(preset.chunking.num_frames(config.num_chunks))
        totals["refined"] = num_chunks, refiner.num_inference_steps

    generator = Generator.load(
        preset.at_size(config.frame_size),
        memory=options.memory,
        refine=config.refine,
        acceleration=fast,
    )
    if not is_first():  # draws its part of every step
        deque(generator.stream(config, start=start), maxlen=0)
        return 0
    interrupted, failure = False, None
    try:
        with files, closing(generator.stream(config, start=start)) as events:
            for chunk in with_progress(events, totals):
                files.write(chunk)
    except KeyboardInterrupt:
        interrupted = True
    except T2VError as error:
        failure = error
    saved = [(file.path, file.num_frames, file.seconds) for file in files.saved.files]
    if failure:
        report_kept(saved)
        raise failure
    return report(saved, interrupted)


def check_context_parallel(preset: Preset) -> None:
    """Checks that there are several processes to share the steps of a preset that can be shared.

    Raises:
        ConfigError: there is one process.
        PresetError: the preset is not Helios.
    """
    if preset.base != "helios":
        raise PresetError(f"--context-parallel is for helios, and {preset.name} is another base")
    if num_processes() == 1:
        raise ConfigError(
            "--context-parallel needs several GPUs with a process each, and this is one process: "
            "torchrun --nproc-per-node 2 -m t2v generate --context-parallel ..."
        )


def read_settings(
    options: argparse.Namespace,
) -> "tuple[Preset, GenerationConfig, Provenance | None]":
    """The preset and all settings of the video, checked; and how the video of --like was made.

    Raises:
        T2VError: a setting is missing or out of range, or the preset cannot run here.
    """
    like = find_like(options)
    name = like.preset if like and not options.preset else options.preset
    preset = default_preset()[0] if name is None else find_preset(name)
    settings = (asdict(like.config) if like else {}) | given(options, GenerationConfig)
    if options.seconds is not None:
        if options.num_chunks is not None:
            raise ConfigError("--seconds and --chunks both say how long the video is; give one")
        settings["num_chunks"] = chunks_of(options.seconds, preset)
    with naming_options(GenerationConfig):
        return preset, preset.config(**settings), like


def chunks_of(seconds: float, preset: Preset) -> int:
    """The fewest chunks of a preset that last so long.

    Raises:
        ConfigError: there is no such video.
    """
    _, most = SETTINGS["num_chunks"].range or (1, 1)
    longest = preset.chunking.num_frames(int(most)) / preset.fps
    if not 0 < seconds <= longest:  # also refuses nan
        raise ConfigError(f"--seconds must be a number above 0, up to {longest:g}, got {seconds:g}")
    # Rounded: 0.1 s at 30 frames a second are 3 frames, and not 3.0000000000000004.
    return preset.chunking.num_chunks(ceil(round(seconds * preset.fps, 6)))


def free_name(config: GenerationConfig, write_metadata: bool) -> Path:
    """A new file in this folder for a video; its other files are new, too."""
    name = name_of(config.prompts[0].text, config.seed) or f"longtake-seed-{config.seed}"
    beside = [".json"] * write_metadata + ["-refined.mp4"] * config.refine
    return free_path(Path(f"{name}.mp4"), tuple(beside))


def find_like(options: argparse.Namespace) -> "Provenance | None":
    """How the video of --like was made; None without that option.

    Raises:
        ConfigError: neither --like nor a prompt was given.
        MediaError: the file does not say how it was made.
    """
    if options.like is None:
        if options.prompt is None:
            raise ConfigError("say what to show with --prompt, or take settings with --like FILE")
        return None
    from t2v.provenance import read_provenance

    like = read_provenance(options.like)
    if like.version != __version__:
        say(
            f"{options.like.name} was made by version {like.version}, this is {__version__}: "
            "frames may differ",
            error=True,
        )
    return like
