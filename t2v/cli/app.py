"""`longtake app`: the page in the browser. Its worker loads the models."""

import argparse
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from t2v.cli.arguments import Commands, acceleration, add_settings, check_runs_dir
from t2v.cli.benchmark import DEFAULT_OUT
from t2v.cli.ending import closed_on_signal, import_torch
from t2v.cli.executors import (
    add_executor_options,
    check_executor_options,
    executor_of,
    gpu_sizes,
    is_made_elsewhere,
)
from t2v.cli.terminal import say
from t2v.device import default_preset
from t2v.errors import ConfigError
from t2v.generator import StreamFn, open_stream
from t2v.resources import home
from t2v.settings.acceleration import Acceleration
from t2v.settings.presets import Preset, find_preset, list_presets, named_preset
from t2v.ui.auth import SPACE_HOST, Access, check_mcp, choose_access, describe_login, in_a_space
from t2v.zero_gpu import on_zero_gpu, slice_opener


if TYPE_CHECKING:
    from t2v.runs.record import RunSettings


NO_LINK = (
    "no public link could be made: Gradio's relay cannot be reached from here. The page works "
    "without it, at {address}, and asks for the password"
)


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "app", help="start the page in the browser", description=run.__doc__
    )
    command.add_argument("--host", help="Address to listen on (default: 127.0.0.1).")
    command.add_argument("--port", type=int, help="Default: the first free one from 7860.")
    command.add_argument(
        "--share",
        action="store_true",
        help="Make a public link for a week, with a generated password and limits for guests.",
    )
    command.add_argument("--login", action="store_true", help="Require a generated password.")
    command.add_argument(
        "--no-login", action="store_true", help="Let in everybody who can reach --host."
    )
    command.add_argument(
        "--proxy",
        type=int,
        default=0,
        metavar="N",
        help="Reverse proxies of yours in front of the app; X-Forwarded-For is believed then.",
    )
    command.add_argument("--mcp", action="store_true", help="Also serve tools to AI programs.")
    command.add_argument(
        "--metrics", action="store_true", help="Also serve /metrics for Prometheus."
    )
    command.add_argument(
        "--preset", help="Selected at first (default: the best that can run here)."
    )
    command.add_argument(
        "--runs-dir",
        type=Path,
        help="Folder of the runs (default: runs in LONGTAKE_HOME; in a checkout, runs in it).",
    )
    add_settings(command, Acceleration)
    command.add_argument(
        "--disk-quota", type=float, metavar="GB", help="Limit of --runs-dir (guests: 20)."
    )
    command.add_argument(
        "--max-per-visitor", type=int, metavar="N", help="Videos at once (guests: 2)."
    )
    command.add_argument(
        "--no-resume", action="store_true", help="Do not resume interrupted videos."
    )
    command.add_argument(
        "--evidence",
        type=Path,
        metavar="FOLDER",
        help="Show the tables of this benchmark's folder (default: bench, once it is there).",
    )
    add_executor_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Starts the page in the browser. Ctrl-C ends it; the next start resumes the current video."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    check_limits(options)
    access = access_of(options)
    open_fast = partial(open_stream, acceleration=acceleration(options))
    chosen, reason = default_preset()
    if options.preset:
        chosen, reason = find_preset(options.preset), ""
    if options.mcp:
        check_mcp()
    if on_zero_gpu():
        if is_made_elsewhere(options):
            raise ConfigError("on ZeroGPU, the app itself has to make the videos")
        presets = {name: replace(one, refiner=None) for name, one in list_presets().items()}
        return serve(options, access, slice_opener(), presets, chosen, reason)
    return serve(options, access, open_fast, list_presets(), chosen, reason)


def check_limits(options: argparse.Namespace) -> None:
    """Checks the app's own options, before anything is loaded.

    Raises:
        ConfigError: a limit or the port is out of range, or the folder of runs is a file.
    """
    for name in ("disk_quota", "max_per_visitor"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise ConfigError(f"--{name.replace('_', '-')} must be more than 0, got {value:g}")
    check_executor_options(options)
    check_runs_dir(options.runs_dir)
    evidence_folder(options.evidence)
    if options.proxy < 0:
        raise ConfigError(f"--proxy must be 0 or more, got {options.proxy}")
    if options.port is not None and not 0 < options.port < 65536:
        raise ConfigError(f"--port must be from 1 to 65535, got {options.port}")


def evidence_folder(given: Path | None) -> Path:
    """The folder of the benchmark that the page shows. The default one may come later.

    Raises:
        ConfigError: the folder that was named is not there.
    """
    if given is not None and not given.is_dir():
        raise ConfigError(f"--evidence: there is no folder {given}")
    return given or DEFAULT_OUT


def access_of(options: argparse.Namespace) -> Access:
    """Who may use the page, and with which limits.

    Raises:
        ConfigError: the page would be open to the network, and no option allows that.
    """
    options.host = options.host or (SPACE_HOST if in_a_space() else "127.0.0.1")
    access = choose_access(
        options.host,
        share=options.share,
        login=options.login,
        no_login=options.no_login or (in_a_space() and not (options.login or options.share)),
        proxies=options.proxy,
    )
    return replace(
        access,
        quota_gigabytes=options.disk_quota or access.quota_gigabytes,
        max_per_visitor=options.max_per_visitor or access.max_per_visitor,
    )


def usual_run(preset: Preset) -> "RunSettings":
    """The settings of a video of a preset as it comes."""
    from t2v.runs.record import RunSettings

    return RunSettings.of(preset, preset.config(prompt=preset.examples[0]))


def serve(
    options: argparse.Namespace,
    access: Access,
    open_preset: Callable[[str], StreamFn],
    presets: dict[str, Preset],
    chosen: Preset,
    reason: str,
) -> int:
    """Starts the worker, and serves the page until the process is asked to end."""
    from t2v.runs.worker import Worker
    from t2v.ui.server import can_stream, close_share_links, launch_page
    from t2v.ui.wiring import build_page
    from t2v.weight_hashes import hash_preset

    runs_dir, quota = options.runs_dir or home() / "runs", access.quota_gigabytes
    executor = None
    if is_made_elsewhere(options):
        executor = executor_of(options, runs_dir, chosen.name, quota)
    else:
        import_torch()  # here, on the main thread, and not on the worker's
    worker = Worker(
        None if is_made_elsewhere(options) else open_preset,
        runs_dir,
        preload=chosen.name,
        max_waiting=access.max_waiting,
        max_per_visitor=access.max_per_visitor,
        quota_bytes=int(quota * 1e9) if quota else None,
        resumes=not options.no_resume,
        find_weights=lambda preset: hash_preset(named_preset(preset)),
        # Where a GPU is lent, every second is counted.
        usual=None if on_zero_gpu() else usual_run(chosen),
        gpus=gpu_sizes(presets, is_measured=not on_zero_gpu()),
    )

    def close() -> None:
        close_share_links()
        worker.close(ends_process=True)
        if executor is not None:
            executor.close()

    with closed_on_signal(close):
        if executor is not None:
            executor.start()
        page = build_page(
            worker,
            presets,
            chosen.name,
            reason=reason,
            is_streaming=can_stream(),
            access=access,
            evidence=evidence_folder(options.evidence),
        )
        if access.login:
            say(describe_login(access))
        try:
            launch_page(
                page,
                worker,
                host=options.host,
                port=options.port,
                access=access,
                share=options.share,
                mcp_server=options.mcp,
                has_metrics=options.metrics,
                prevent_thread_lock=True,
            )
        except OSError as error:  # mostly the port: another program listens on it
            say(f"longtake app: {error}", error=True)
            return 2
        if options.share and page.share_url is None:
            say(f"longtake app: {NO_LINK.format(address=page.local_url)}", error=True)
        page.block_thread()
    return 0
