"""`t2v gif`: a video for places that show no videos."""

from pathlib import Path

from t2v.cli.arguments import check_output


def add(commands) -> None:
    command = commands.add_parser("gif", help="turn a video into a GIF", description=run.__doc__)
    command.add_argument("video", type=Path, help="the video to read")
    command.add_argument("--out", type=Path, required=True, help="the .gif file to write")
    command.add_argument("--force", action="store_true", help="overwrite the file")
    command.set_defaults(run=run)


def run(options) -> int:
    """Writes a GIF that repeats for ever, with every frame of a video."""
    check_output("--out", options.out, ".gif", options.force)
    from t2v.media.gif import write_gif
    from t2v.media.video import probe

    probe(options.video)
    write_gif(options.video, options.out)
    print(options.out)
    return 0
