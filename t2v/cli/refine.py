"""`t2v refine`: any video, sharper."""

import sys
from pathlib import Path

from t2v.cli.arguments import BLENDING_HELP, MEMORY_HELP, check_output, given, number
from t2v.cli.progress import report, with_progress
from t2v.config import LIMITS, SIDES, fit_area
from t2v.errors import MediaError
from t2v.presets import default_preset, find_preset


MAX_PROPORTION = 4  # of a video's sides, for the refiner
MAX_FRAMES = 100_000


def add(commands) -> None:
    command = commands.add_parser("refine", help="make a video sharper", description=run.__doc__)
    command.add_argument("video", type=Path, help="the video to read")
    command.add_argument("--prompt", required=True, help="what it shows, in a few words")
    command.add_argument("--negative-prompt", help="what to keep away from")
    command.add_argument("--preset", help="the stack to use; `t2v presets` lists them")
    low, high = LIMITS["seed"]
    command.add_argument(
        "--seed", type=number, metavar="N", help=f"the same seed, the same video ({low} to {high})"
    )
    command.add_argument("--blending", help=BLENDING_HELP)
    command.add_argument("--memory", help=MEMORY_HELP)
    command.add_argument("--out", type=Path, required=True, help="the .mp4 file to write")
    command.add_argument(
        "--no-metadata",
        dest="metadata",
        action="store_false",
        help="write no settings into the file",
    )
    command.add_argument("--force", action="store_true", help="overwrite the file")
    command.set_defaults(run=run)


def run(options) -> int:
    """Makes any video sharper: as many frames, as many a second. Sound is not kept."""
    from t2v.media.video import VideoWriter, iter_pieces, probe

    preset = find_preset(options.preset) if options.preset else default_preset()[0]
    config = preset.config(
        **given(options, ("prompt", "negative_prompt", "seed", "blending")), refine=True
    )
    settings = preset.find_refiner()
    video = probe(options.video)
    check_input(options.video, video)
    check_output("--out", options.out, ".mp4", options.force)
    if options.out.exists() and options.out.samefile(options.video):
        raise MediaError("--out is the video that is read; give another name")

    from t2v.media.images import resize
    from t2v.origin import describe_refined
    from t2v.pipeline.refinement import refine
    from t2v.pipeline.refiner import load_refiner
    from t2v.pipeline.streaming_t2v import prompt_notices

    refiner = load_refiner(preset, memory=options.memory)
    unread = prompt_notices(
        preset.name, refiner.text_encoder, config, refiner.settings.guidance_scale
    )
    for notice in (*refiner.notices, *(notice.text for notice in unread)):
        print(notice, file=sys.stderr)
    size = fit_area(video.size, settings.display_size, multiple=2)
    metadata = describe_refined(config, preset.name) if options.metadata else None
    total = video.num_frames and settings.num_chunks(video.num_frames)
    interrupted = False
    with VideoWriter(options.out, fps=video.fps, metadata=metadata) as writer:
        events = refine(refiner, config, iter_pieces(options.video, settings.overlap))
        try:
            for chunk in with_progress(events, "chunk", total, settings.num_inference_steps):
                writer.write(resize(chunk.frames, size))
        except KeyboardInterrupt:
            interrupted = True
    return report([writer], interrupted)


def check_input(path: Path, video) -> None:
    """Says which videos the refiner takes.

    Raises:
        MediaError: this one is too small, too large, too narrow or too long.
    """
    (low, high), (height, width) = SIDES, video.size
    is_size = low <= min(video.size) and max(video.size) <= high
    if not is_size or max(video.size) > MAX_PROPORTION * min(video.size):
        raise MediaError(
            f"{path.name} must have sides of {low} to {high} pixels, the longer one at most "
            f"{MAX_PROPORTION} times the shorter one, got {width}x{height}"
        )
    if video.num_frames and video.num_frames > MAX_FRAMES:
        raise MediaError(
            f"{path.name} must have at most {MAX_FRAMES} frames, got {video.num_frames}"
        )
