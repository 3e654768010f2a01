"""Options of `longtake app` that say what makes the runs, if not a thread of the app itself."""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from t2v.cli.arguments import given, option_of
from t2v.device import gpu_numbers
from t2v.errors import ConfigError
from t2v.settings.acceleration import Acceleration
from t2v.settings.declaration import on_surface
from t2v.settings.presets import Preset


if TYPE_CHECKING:
    from t2v.runs.executors import Executor
    from t2v.runs.gpu_sizes import GpuSizes

MAX_WORKERS = 64


def add_executor_options(command: argparse.ArgumentParser) -> None:
    """Adds the options that say what makes the runs."""
    chosen = command.add_mutually_exclusive_group()
    chosen.add_argument(
        "--gpus", metavar="LIST", help="One process for each of these GPUs: 0,1 or all."
    )
    chosen.add_argument(
        "--workers", type=int, metavar="N", help="As many processes that make videos on the CPU."
    )
    chosen.add_argument(
        "--no-worker",
        action="store_true",
        help="Make no videos here: others do, see `longtake work`.",
    )
    chosen.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="An actor for each GPU of this Ray cluster; auto: the one of this machine.",
    )


def is_made_elsewhere(options: argparse.Namespace) -> bool:
    """Whether the app itself makes no runs."""
    return any((options.gpus, options.workers is not None, options.no_worker, options.ray))


def check_executor_options(options: argparse.Namespace) -> None:
    """Checks the options, before anything is loaded.

    Raises:
        ConfigError: there is no such GPU, or the options contradict each other.
    """
    if options.workers is not None and not 0 < options.workers <= MAX_WORKERS:
        raise ConfigError(f"--workers must be from 1 to {MAX_WORKERS}, got {options.workers}")
    if is_made_elsewhere(options) and options.no_resume:
        raise ConfigError("--no-resume must not go with --gpus, --workers, --ray or --no-worker")
    if options.gpus:
        chosen_gpus(options.gpus)


def chosen_gpus(text: str) -> list[str]:
    """The GPUs that `--gpus` names.

    Raises:
        ConfigError: there is none, or not these.
    """
    there = gpu_numbers()
    wanted = there if text.strip() == "all" else [part.strip() for part in text.split(",")]
    if not there:
        raise ConfigError("--gpus must not be given: there is no GPU; --workers uses the CPU")
    unknown = [number for number in wanted if number not in there]
    if unknown or len(set(wanted)) < len(wanted):
        raise ConfigError(f"--gpus must be all, or some of {','.join(there)}, got {text!r}")
    return wanted


def gpu_sizes(presets: Mapping[str, Preset], *, is_measured: bool = True) -> "GpuSizes":
    """What presets need of a GPU, and how much there is here.

    Args:
        is_measured: this process makes runs, and may use its GPU at any time.
    """
    from t2v.runs.gpu_sizes import GpuSizes, needed_by

    def measure() -> int:
        from t2v.pipeline.offload import gpu_bytes

        return gpu_bytes()

    return GpuSizes(needed_by(presets), measure if is_measured else lambda: 0)


def executor_of(
    options: argparse.Namespace, runs_dir: Path, preset: str, quota: float | None
) -> "Executor | None":
    """What makes the runs of an app that makes none itself; None if that is not its business.

    Raises:
        RunError: it is not installed.
    """
    from t2v.runs.executors.processes import ProcessExecutor, cpu_devices, gpu_devices

    if options.no_worker:
        return None
    if options.ray:
        from t2v.cli.cluster import RayExecutor

        return RayExecutor(options.ray, work_arguments(options, runs_dir, preset, quota))
    devices = (
        gpu_devices(chosen_gpus(options.gpus)) if options.gpus else cpu_devices(options.workers)
    )
    arguments = work_arguments(options, runs_dir, preset, quota)
    command = [sys.executable, "-m", "t2v", *arguments, "--until-input-ends", "--name"]
    return ProcessExecutor(command, devices)


def work_arguments(
    options: argparse.Namespace, runs_dir: Path, preset: str, quota: float | None
) -> list[str]:
    """Arguments of `longtake work` for the runs of this app."""
    arguments = ["work", "--runs-dir", os.path.abspath(runs_dir), "--preset", preset]
    if quota:
        arguments += ["--disk-quota", str(quota)]
    values = given(options, Acceleration)
    for declared in on_surface(Acceleration, "cli"):
        value = values.get(declared.name)
        if isinstance(value, bool):
            option = option_of(declared)
            arguments.append(option if value else option.replace("--", "--no-", 1))
        elif value is not None:
            arguments += [option_of(declared), str(value)]
    return arguments
