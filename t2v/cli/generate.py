"""`t2v generate`: one video from a prompt."""

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
from t2v.presets import default_preset, find_preset


def add(commands) -> None:
    command = commands.add_parser("generate", help="make a video", description=run.__doc__)
    command.add_argument(
        "--prompt",
        required=True,
        help="what to show, in a few words; '0: one / 6: another / 9-12: a third' changes at these "
        "chunks, blending from 9 to 12",
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
        type=frame_size,
        metavar="HEIGHTxWIDTH",
        help="of the frames that are drawn, multiples of 64 (default: what the model learned)",
    )
    command.add_argument("--memory", help=MEMORY_HELP)
    add_acceleration(command)
    command.add_argument("--out", type=Path, required=True, help="the .mp4 file to write")
    command.add_argument("--force", action="store_true", help="overwrite the file")
    command.set_defaults(run=run)


def run(options) -> int:
    """Makes one video. Ctrl-C keeps the finished chunks as a playable file."""
    preset = find_preset(options.preset) if options.preset else default_preset()[0]
    if options.size:
        preset = preset.at_size(*options.size)
    names = ("prompt", "negative_prompt", *LIMITS, "reseed", "scheduler", "use_cam", "refine")
    config = preset.config(**given(options, (*names, "blending")))
    check_output("--out", options.out, ".mp4", options.force)
    refined_out = options.out.with_stem(f"{options.out.stem}-refined")
    if config.refine:
        refiner_settings = preset.find_refiner()
        check_output("--out", refined_out, ".mp4", options.force)

    from t2v.media.images import resize
    from t2v.media.video import VideoWriter
    from t2v.pipeline.refinement import refine
    from t2v.pipeline.refiner import load_refiner
    from t2v.pipeline.stack import load_stack
    from t2v.pipeline.streaming_t2v import stream

    metadata = {**asdict(config), "preset": preset.name, "version": __version__}
    stack = load_stack(
        preset, memory=options.memory, refine=config.refine, acceleration=acceleration(options)
    )
    refiner = load_refiner(preset, stack=stack) if config.refine else None
    interrupted = False
    with ExitStack() as files:
        writer = files.enter_context(VideoWriter(options.out, fps=preset.fps, metadata=metadata))
        writers = [writer]

        def preview():
            total = config.num_chunks, config.num_inference_steps
            for chunk in with_progress(stream(stack, config), "chunk", *total):
                writer.write(resize(chunk.frames, preset.display_size))
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
        except KeyboardInterrupt:
            interrupted = True
    return report(writers, interrupted)
