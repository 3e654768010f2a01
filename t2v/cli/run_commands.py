"""The actions of `longtake runs` that make chunks, or end their making."""

import argparse
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from t2v.cli.arguments import find_folder, naming_options
from t2v.cli.ending import import_torch
from t2v.cli.follow import follow
from t2v.generator import StreamFn, open_stream
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import find_preset


if TYPE_CHECKING:
    from t2v.runs.commands import RunCommands
    from t2v.runs.folder import RunFolder
    from t2v.runs.worker import Worker

Command = Callable[["RunCommands", str], None]  # gives it to the run with this id


def stop(options: argparse.Namespace) -> int:
    """Ends a run within one denoising step, whoever makes it, and keeps its finished chunks."""
    return command_elsewhere(find_folder(options), lambda commands, run_id: commands.stop(run_id))


def resume(options: argparse.Namespace) -> int:
    """Continues a paused, stopped, interrupted or failed run at its next chunk.

    Ctrl-C pauses it and keeps its finished chunks.
    """
    return command(options, lambda commands, run_id: commands.resume(run_id))


def extend(options: argparse.Namespace) -> int:
    """Adds chunks to a run and makes them. Ctrl-C pauses it and keeps its finished chunks."""
    return command(options, lambda commands, run_id: commands.extend(run_id, options.chunks))


def redo(options: argparse.Namespace) -> int:
    """Makes a chunk and all after it again, with another seed, prompt or both."""
    return command(
        options,
        lambda commands, run_id: commands.redo(
            run_id, options.chunk, seed=options.seed, prompt=options.prompt
        ),
    )


def refine(options: argparse.Namespace) -> int:
    """Makes the refined video of a run that has ended without one, as far as the run was made.

    The frames are those of a run that was asked for with the refined video from the start.
    """
    settings = find_folder(options).read().settings
    preset = find_preset(settings.preset).at_size(settings.config.frame_size)
    refiner = preset.find_refiner()
    return command(options, lambda commands, run_id: commands.refine(run_id, refiner))


def command(options: argparse.Namespace, give: Command) -> int:
    """Gives a command to a run, and shows what the run does until it ends.

    If an app or `longtake work` makes the runs of this folder, it makes this one as well; else this
    process does.
    """
    from t2v.runs.worker import Worker, has_makers
    from t2v.weight_hashes import hash_preset

    folder = find_folder(options)
    preset = find_preset(folder.read().settings.preset)
    if has_makers(folder.path.parent):
        return command_elsewhere(folder, give)
    has_torch = threading.Event()

    def open_preset(name: str) -> StreamFn:
        has_torch.wait()
        return open_stream(name)

    worker = Worker(
        open_preset,
        folder.path.parent,
        resumes=False,  # no other run than this one
        find_weights=lambda _: hash_preset(preset),
    )
    try:
        give_naming_options(worker, folder, give)  # refused before torch is loaded
        import_torch()  # here, on the main thread, and not on the worker's
        has_torch.set()
        return follow(worker, folder)
    finally:
        has_torch.set()
        worker.close()


def command_elsewhere(folder: "RunFolder", give: Command) -> int:
    """Gives a command to a run that other processes make, and shows what it does."""
    from t2v.runs.worker import Worker

    worker = Worker(None, folder.path.parent)
    try:
        give_naming_options(worker, folder, give)
        return follow(worker, folder)
    finally:
        worker.close()


def give_naming_options(worker: "Worker", folder: "RunFolder", give: Command) -> None:
    """Gives a command to a run; errors about its values name the options."""
    with naming_options(GenerationConfig, {"chunk": "--chunk"}):
        give(worker.commands, folder.id)
