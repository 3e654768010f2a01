"""`longtake runs`: the videos of the page, from the terminal."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from t2v.cli.arguments import Commands, find_folder, number, runs_dir
from t2v.cli.parsing import CommandParser
from t2v.cli.run_commands import extend, redo, refine, resume, stop
from t2v.cli.terminal import say
from t2v.output_names import check_output, free_path, name_of


SHOWN = 50  # runs in the list, unless --all is given
RUNS_DIR = "Folder of the runs (default: as for `longtake app`)."


def add(commands: Commands) -> None:
    command = commands.add_parser("runs", help="list and continue runs", description=run.__doc__)
    command.add_argument("--runs-dir", type=Path, help=RUNS_DIR)
    command.set_defaults(run=run, words=[], all=False)
    actions = command.add_subparsers(metavar="ACTION", parser_class=CommandParser)

    def add_action(
        name: str, function: Callable[[argparse.Namespace], int], help: str
    ) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=help, description=function.__doc__)
        # Suppressed: its default would replace what was given before the name of the action.
        action.add_argument("--runs-dir", type=Path, default=argparse.SUPPRESS, help=RUNS_DIR)
        action.set_defaults(run=function)
        return action

    listed = add_action("list", run, "list the runs")
    listed.add_argument("words", nargs="*", metavar="WORD", help="Words of the prompt.")
    listed.add_argument("--all", action="store_true", help=f"Not only the newest {SHOWN}.")
    for name, function, help in (
        ("show", show, "print settings, state and hashes of a run"),
        ("stop", stop, "end a run after its current step, and keep its chunks"),
        ("resume", resume, "continue a run at its next chunk"),
        ("extend", extend, "add chunks to a run"),
        ("redo", redo, "make a chunk and all after it again"),
        ("refine", refine, "refine a run that has ended without its refined video"),
        ("bundle", bundle, "write a zip with everything to make a run again"),
        ("delete", delete, "delete a run with all its files"),
    ):
        action = add_action(name, function, help)
        action.add_argument("id", metavar="ID", help="Of the run; its first characters suffice.")
        if name == "extend":
            action.add_argument(
                "--chunks", type=number, required=True, metavar="N", help="Chunks to add."
            )
        if name == "redo":
            action.add_argument(
                "--chunk", type=number, required=True, metavar="N", help="The first to redo."
            )
            action.add_argument("--seed", type=number, metavar="N", help="From that chunk on.")
            action.add_argument("--prompt", metavar="TEXT", help="From that chunk on.")
        if name == "bundle":
            action.add_argument(
                "--out",
                type=Path,
                help="The .zip file to write (default: a new file named after prompt and seed).",
            )
            action.add_argument("--force", action="store_true", help="Overwrite the file.")


def run(options: argparse.Namespace) -> int:
    """Lists runs, the newest first: id, state, length, date and prompt.

    With an ACTION, shows, continues, packs or deletes one of them.
    """
    from t2v.runs.library import Library

    library = Library.open(runs_dir(options))
    records = library.find(" ".join(options.words), limit=10**9)
    for record in records if options.all else records[:SHOWN]:
        settings = record.settings
        num_frames = record.num_frames or settings.num_frames
        say(
            f"{record.id}  {record.state:11}  {num_frames / settings.fps:6.1f} s  "
            f"{record.created[:16].replace('T', ' ')}  {settings.config.prompt}"
        )
    if not records:
        say(f"no runs in {runs_dir(options)}")
    elif len(records) > SHOWN and not options.all:
        say(f"... and {len(records) - SHOWN} older ones; --all lists them")
    return 0


def show(options: argparse.Namespace) -> int:
    """Prints how a run was made as JSON, its state and its files."""
    from t2v.events import TRACKS
    from t2v.runs.export import describe_run

    folder = find_folder(options)
    record = folder.read()
    print(json.dumps(describe_run(folder), indent=1))
    work = f"{record.seconds:.1f} s of work"
    say(f"{record.id}: {record.state}, {record.num_frames} frames, {work}")
    if record.message:
        say(record.message)
    for video in map(folder.video_path, TRACKS):
        if video.is_file():
            say(video)
    return 0


def bundle(options: argparse.Namespace) -> int:
    """Writes one zip with the videos of a run, its settings, hashes and command.

    The command makes the same video again.
    """
    from t2v.runs.export import write_bundle

    folder = find_folder(options)
    config = folder.read().settings.config
    name = name_of(config.prompts[0].text, config.seed) or f"longtake-{folder.id[:8]}"
    out = options.out or free_path(Path(f"{name}.zip"))
    check_output("--out", out, ".zip", options.force)
    write_bundle(folder, out)
    say(out)
    return 0


def delete(options: argparse.Namespace) -> int:
    """Deletes a run with all its files, also a favourite."""
    from t2v.runs.library import Library

    folder = find_folder(options)
    Library.open(folder.path.parent).delete(folder.id)
    say(f"{folder.id}: deleted")
    return 0
