"""`longtake gif`, `longtake compare`: video files from other video files."""

import argparse
from pathlib import Path

from t2v.cli.arguments import Commands
from t2v.cli.progress import print_notices
from t2v.cli.terminal import say
from t2v.output_names import check_output, free_path


def add(commands: Commands) -> None:
    command = commands.add_parser("gif", help="turn a video into a GIF", description=gif.__doc__)
    command.add_argument("video", type=Path, help="The video to read.")
    command.add_argument(
        "--out",
        type=Path,
        help="The .gif file to write (default: a new file named after the video).",
    )
    command.add_argument("--force", action="store_true", help="Overwrite the file.")
    command.set_defaults(run=gif)

    command = commands.add_parser(
        "compare", help="put two videos side by side", description=compare.__doc__
    )
    command.add_argument("left", type=Path, help="The video on the left.")
    command.add_argument("right", type=Path, help="The video on the right.")
    command.add_argument(
        "--out",
        type=Path,
        help="The .mp4 file to write (default: a new file named after both videos).",
    )
    command.add_argument("--force", action="store_true", help="Overwrite the file.")
    command.set_defaults(run=compare)


def gif(options: argparse.Namespace) -> int:
    """Writes a GIF that repeats forever, with every frame of a video."""
    out = options.out or free_path(Path(f"{options.video.stem}.gif"))
    check_output("--out", out, ".gif", options.force)
    from t2v.media.gif import write_gif
    from t2v.media.reader import Video

    video = Video(options.video)
    write_gif(video, out)
    print_notices(video)
    say(out)
    return 0


def compare(options: argparse.Namespace) -> int:
    """Puts two videos side by side in one file, as long as the shorter one."""
    left, right = options.left, options.right
    out = options.out or free_path(Path(f"{left.stem}-beside-{right.stem}.mp4"))
    check_output("--out", out, ".mp4", options.force)
    from t2v.media.comparison import write_side_by_side
    from t2v.media.reader import Video

    videos = Video(left), Video(right)
    write_side_by_side(*videos, out)
    print_notices(*videos)
    say(out)
    return 0
