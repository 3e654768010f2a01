"""`t2v show`: how a video was made."""

import json
from pathlib import Path


def add(commands) -> None:
    command = commands.add_parser("show", help="say how a video was made", description=run.__doc__)
    command.add_argument("file", type=Path, help="an .mp4 of this program, or the JSON beside it")
    command.set_defaults(run=run)


def run(options) -> int:
    """Prints the settings in a file as JSON, and the command that makes the same video again."""
    from t2v.origin import again_command, read_origin

    print(json.dumps(read_origin(options.file).to_json(), indent=1))
    print(again_command(options.file.name))
    return 0
