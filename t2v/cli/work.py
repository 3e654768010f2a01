"""`longtake work`: makes the runs of a folder, without a page."""

import argparse
import logging
import os
import signal
import socket
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from t2v.cli.arguments import Commands, acceleration, add_settings
from t2v.cli.ending import closed_on_signal, import_torch
from t2v.cli.executors import gpu_sizes
from t2v.cli.terminal import say
from t2v.device import has_gpu
from t2v.errors import ConfigError
from t2v.generator import open_stream
from t2v.resources import home
from t2v.settings.acceleration import Acceleration
from t2v.settings.presets import find_preset, list_presets, named_preset


if TYPE_CHECKING:
    from t2v.runs.worker import Worker


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "work", help="make the runs of a page on other devices", description=run.__doc__
    )
    command.add_argument(
        "--runs-dir", type=Path, help="Folder of the runs (default: as for `longtake app`)."
    )
    command.add_argument("--preset", help="Load its models before the first run.")
    add_settings(command, Acceleration)
    command.add_argument(
        "--disk-quota", type=float, metavar="GB", help="Limit of --runs-dir (default: none)."
    )
    command.add_argument("--name", help="What the page calls this worker (default: the machine's).")
    command.add_argument(
        "--until-input-ends",
        action="store_true",
        help="End with the program that started this one and holds its standard input.",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Makes the runs that pages with the same folder ask for, until Ctrl-C or SIGTERM.

    Start one for each GPU (CUDA_VISIBLE_DEVICES=1 longtake work), on any machine that sees the
    folder.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    worker = start_worker(options)
    with closed_on_signal(partial(worker.close, ends_process=True)):
        if options.until_input_ends:
            threading.Thread(target=end_with_input, name="input", daemon=True).start()
        else:
            say(f"making the runs in {worker.runs_dir}; Ctrl-C ends this")
        threading.Event().wait()  # a signal ends the process
    return 0


def start_worker(options: argparse.Namespace) -> "Worker":
    """Starts a worker that makes the runs of a folder.

    Raises:
        ConfigError: an option is out of range.
        PresetError: there is no such preset.
    """
    from t2v.runs.worker import Worker
    from t2v.weight_hashes import hash_preset

    if options.preset:
        find_preset(options.preset)
    if options.disk_quota is not None and not options.disk_quota > 0:
        raise ConfigError(f"--disk-quota must be more than 0, got {options.disk_quota:g}")
    import_torch()  # here, on the main thread, and not on the worker's
    return Worker(
        partial(open_stream, acceleration=acceleration(options)),
        options.runs_dir or home() / "runs",
        preload=options.preset,
        quota_bytes=int(options.disk_quota * 1e9) if options.disk_quota else None,
        find_weights=lambda preset: hash_preset(named_preset(preset)),
        name=options.name or name_here(),
        gpus=gpu_sizes(list_presets()),
    )


def end_with_input() -> None:
    """Ends this process when nobody holds the other end of its standard input any more."""
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def name_here() -> str:
    """What people call this worker: its machine and its device."""
    device = "CPU"
    if has_gpu():
        device = f"GPU {os.environ.get('CUDA_VISIBLE_DEVICES', '')}".strip()
    return f"{socket.gethostname()} {device}"
