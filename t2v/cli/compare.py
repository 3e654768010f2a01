"""`t2v compare`: two videos in one."""

from pathlib import Path

from t2v.cli.arguments import check_output


def add(commands) -> None:
    command = commands.add_parser(
        "compare", help="put two videos side by side", description=run.__doc__
    )
    command.add_argument("left", type=Path, help="the video on the left")
    command.add_argument("right", type=Path, help="the one on the right")
    command.add_argument("--out", type=Path, required=True, help="the .mp4 file to write")
    command.add_argument("--force", action="store_true", help="overwrite the file")
    command.set_defaults(run=run)


def run(options) -> int:
    """Puts two videos side by side in one file, as long as the shorter one."""
    check_output("--out", options.out, ".mp4", options.force)
    from t2v.media.comparison import write_side_by_side
    from t2v.media.video import probe

    for video in (options.left, options.right):
        probe(video)
    write_side_by_side(options.left, options.right, options.out)
    print(options.out)
    return 0
