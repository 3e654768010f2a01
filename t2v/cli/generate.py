"""`t2v generate`: one video from a prompt."""

import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from t2v import __version__
from t2v.cli.arguments import (
    BLENDING_HELP,
    MEMORY_HELP,
    acceleration,
    add_acceleration,
    check_output,
    frame_size,
    given,
    number,
)
from t2v.cli.progress import report, with_progress
from t2v.config import LIMITS, SCHEDULERS
from t2v.errors import ConfigError
from t2v.presets import default_preset, find_preset


def add(commands) -> None:
    command = commands.add_parser("generate", help="make a video", description=run.__doc__)
    command.add_argument(
        "--prompt",
        help="what to show, in a few words; '0: one / 6: another / 9-12: a third' changes at these "
        "chunks, blending from 9 to 12",
    )
    command.add_argument(
        "--like",
        type=Path,
        metavar="FILE",
        help="with the settings of that video, or of the JSON beside it; other options change them",
    )
    command.add_argument("--negative-prompt", help="what to keep away from")
    command.add_argument("--preset", help="the stack to use; `t2v presets` lists them")
    for option, name, what in (
        ("--chunks", "num_chunks", "the first has 16 frames, every other adds 8"),
        ("--seed", "seed", "the same seed and settings give the same video"),
        ("--steps", "num_inference_steps", "denoising steps a chunk"),
        ("--guidance-scale", "guidance_scale", "how strictly the prompt is followed; 1 is off"),
        ("--apm-strength", "apm_strength", "of the long-term memory; 0 is off"),
    ):
        low, high = LIMITS[name]
        help_text = f"{what} ({low} to {high})"
        command.add_argument(option, dest=name, type=number, metavar="N", help=help_text)
    command.add_argument(
        "--reseed",
        metavar="'6: N / 9: N'",
        help="other seeds from these chunks on, which count from 0",
    )
    command.add_argument("--scheduler", help=", ".join(SCHEDULERS))
    command.add_argument(
        "--no-cam",
        dest="use_cam",
        action="store_const",
        const=False,
        help="without the short-term memory: chunks do not know each other",
    )
    command.add_argument(
        "--refine",
        action="store_const",
        const=True,
        help="also write a sharper video, NAME-refined.mp4 beside NAME.mp4",
    )
    command.add_argument("--blending", help=BLENDING_HELP)
    command.add_argument(
        "--size",
        dest="frame_size",
        type=frame_size,
        metavar="HEIGHTxWIDTH",
        help="of the frames that are drawn, multiples of 64 (default: what the model learned)",
    )
    command.add_argument("--memory", help=MEMORY_HELP)
    add_acceleration(command)
    command.add_argument("--out", type=Path, required=True, help="the .mp4 file to write")
    command.add_argument(
        "--no-metadata",
        dest="metadata",
        action="store_false",
        help="write no settings into the file, and no JSON beside it",
    )
    command.add_argument("--force", action="store_true", help="overwrite the file")
    command.set_defaults(run=run)


def run(options) -> int:
    """Makes one video. Ctrl-C keeps the finished chunks as a playable file."""
    like = find_like(options)
    name = options.preset or (like and like.preset)
    preset = find_preset(name) if name else default_preset()[0]
    names = ("prompt", "negative_prompt", *LIMITS, "reseed", "scheduler", "use_cam", "refine")
    said = given(options, (*names, "blending", "frame_size"))
    config = preset.config(**((asdict(like.config) if like else {}) | said))
    preset = preset.at_size(config.frame_size)
    check_output("--out", options.out, ".mp4", options.force)
    json_out = options.out.with_suffix(".json")
    if options.metadata:
        check_output("--out", json_out, ".json", options.force)
    refined_out = options.out.with_stem(f"{options.out.stem}-refined")
    if config.refine:
        refiner_settings = preset.find_refiner()
        check_output("--out", refined_out, ".mp4", options.force)

    from t2v.media.images import hash_frames, resize
    from t2v.media.video import VideoWriter
    from t2v.origin import Origin, describe, hash_weights, write_json
    from t2v.pipeline.refinement import refine
    from t2v.pipeline.refiner import load_refiner
    from t2v.pipeline.stack import load_stack
    from t2v.pipeline.streaming_t2v import stream

    origin = Origin(config=config, preset=preset.name)
    metadata = origin.to_json() if options.metadata else None
    stack = load_stack(
        preset, memory=options.memory, refine=config.refine, acceleration=acceleration(options)
    )
    refiner = load_refiner(preset, stack=stack) if config.refine else None
    interrupted = False
    hashes, refined_hashes = [], []
    with ExitStack() as files:
        writer = files.enter_context(VideoWriter(options.out, fps=preset.fps, metadata=metadata))
        writers = [writer]

        def preview():
            total = config.num_chunks, config.num_inference_steps
            for chunk in with_progress(stream(stack, config), "chunk", *total):
                writer.write(resize(chunk.frames, preset.display_size))
                hashes.append(hash_frames(chunk.frames))
                yield chunk.frames

        try:
            if refiner is None:
                for _ in preview():
                    pass
            else:
                refined_writer = VideoWriter(refined_out, fps=preset.fps, metadata=metadata)
                writers.append(files.enter_context(refined_writer))
                total = refiner_settings.num_chunks(config.num_frames)
                events = refine(refiner, config, preview())
                num_steps = refiner_settings.num_inference_steps
                for chunk in with_progress(events, "refined chunk", total, num_steps):
                    refined_writer.write(resize(chunk.frames, refiner_settings.display_size))
                    refined_hashes.append(hash_frames(chunk.frames))
        except KeyboardInterrupt:
            interrupted = True
    if options.metadata and hashes:
        weights = hash_weights(preset.weights_folder)
        write_json(describe(origin, json_out.name, weights, hashes, refined_hashes), json_out)
    return report(writers, interrupted)


def find_like(options):
    """How the video was made whose settings are to be used; None if there is none.

    Raises:
        ConfigError: neither settings nor a prompt were given.
        MediaError: that file says nothing.
    """
    if options.like is None:
        if options.prompt is None:
            raise ConfigError("say what to show with --prompt, or take settings with --like FILE")
        return None
    from t2v.origin import read_origin

    like = read_origin(options.like)
    if like.version != __version__:
        print(
            f"{options.like.name} was made by version {like.version}, this is {__version__}: "
            "frames may differ",
            file=sys.stderr,
        )
    return like
