"""`longtake benchmark`: the paper's tables and ablations, measured on the stack of a preset."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from t2v.cli.arguments import Commands
from t2v.cli.terminal import say
from t2v.errors import ConfigError, MediaError, PresetError
from t2v.evaluation.arms.catalogue import find_arms
from t2v.evaluation.benchmark.plan import (
    Plan,
    PlanOptions,
    Prompts,
    make_plan,
    prompts_of,
    read_prompts,
)
from t2v.evaluation.benchmark.suites import ALL, SUITES, Suite, find_suites
from t2v.resources import home
from t2v.settings.presets import Preset, find_preset


if TYPE_CHECKING:
    from t2v.evaluation.benchmark.external_videos import ExternalVideo

FLOWS = ("dis", "raft")
DEFAULT_OUT = Path("bench")


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "benchmark", help="measure the paper's claims", description=run.__doc__
    )
    command.add_argument("suite", metavar="SUITE", help=f"{', '.join((*SUITES, ALL))}.")
    command.add_argument(
        "--preset", default="shapes", help="The stack to measure (default: %(default)s)."
    )
    command.add_argument(
        "--prompts",
        metavar="N or FILE",
        help="How many prompts of the preset's file, or another file, one prompt a line "
        "(default: as many as the suite asks for).",
    )
    command.add_argument(
        "--chunks", type=int, metavar="N", help="Length of the videos (default: the suite's)."
    )
    command.add_argument(
        "--arms", default="", metavar="A,B", help="Only these arms of the suite (default: all)."
    )
    command.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="Videos of each prompt (default: 1)."
    )
    command.add_argument(
        "--flow",
        default="dis",
        metavar="NAME",
        help=f"Estimator of optical flow: {', '.join(FLOWS)} (default: %(default)s).",
    )
    command.add_argument(
        "--flow-weights", type=Path, metavar="FILE", help="The weights of RAFT, for --flow raft."
    )
    command.add_argument(
        "--clip",
        type=Path,
        metavar="FOLDER",
        help="Also measure the CLIP score, with the CLIP of OpenCLIP in this folder.",
    )
    command.add_argument(
        "--lpips",
        type=Path,
        metavar="FILE",
        help="Also measure LPIPS to the first frame, with torchvision's AlexNet in this file; "
        "`random` for a distance of random features, which is no LPIPS.",
    )
    command.add_argument(
        "--re-id",
        action="store_true",
        help="Also measure whether faces stay the same: needs the extra metrics-faces.",
    )
    command.add_argument(
        "--out",
        type=Path,
        default=DEFAULT_OUT,
        help="Folder of videos, measures and tables; a stopped benchmark is continued "
        "there (default: %(default)s).",
    )
    command.add_argument(
        "--quick",
        action="store_true",
        help="Few prompts, short videos, the warp at 256 pixels: minutes on two cores.",
    )
    command.add_argument(
        "--runs", nargs="+", default=[], metavar="ID", help="Also measure these runs of the page."
    )
    command.add_argument("--runs-dir", type=Path, help="Folder of the runs.")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Makes videos in several ways from the same first chunks, and measures them.

    Writes report.json, table.md, plots and pictures into a folder for each suite. To continue a
    stopped benchmark, run the same command again.
    """
    suites, preset = find_suites(options.suite), find_preset(options.preset)
    check_base(preset)
    if options.flow not in FLOWS:
        raise ConfigError(f"--flow must be one of {', '.join(FLOWS)}, got {options.flow!r}")
    if (options.flow == "raft") != (options.flow_weights is not None):
        raise ConfigError("--flow raft and --flow-weights FILE belong together: give both")
    prompts, num_prompts = read_selection(options.prompts, preset)
    plans = make_plans(options, suites, preset, prompts, num_prompts)
    # From here on torch is loaded.
    from t2v.evaluation.benchmark.command import BenchmarkOptions, run_benchmark
    from t2v.evaluation.networks.metric_networks import find_networks
    from t2v.evaluation.networks.raft import find_raft

    networks = find_networks(clip=options.clip, lpips=options.lpips, re_id=options.re_id)
    if options.flow_weights:
        find_raft(options.flow_weights)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"cannot write to {options.out}: {error.strerror}") from error
    run_benchmark(
        BenchmarkOptions(
            preset=preset,
            prompts=prompts,
            plans=tuple(plans),
            flow=options.flow,
            flow_weights=options.flow_weights,
            networks=networks,
            out=options.out,
            quick=options.quick,
            has_sanity=any(not suite.uses_model for suite in suites),
            given=tuple(find_runs(options)),
        ),
        say,
    )
    return 0


def check_base(preset: Preset) -> None:
    """The arms leave out memories: CAM and APM, or the history and the anchor of Helios.

    Raises:
        PresetError: the preset has no memory that could be left out.
    """
    if not preset.abilities.without:
        raise PresetError(f"preset {preset.name} has no memories that could be compared")


def make_plans(
    options: argparse.Namespace,
    suites: Sequence[Suite],
    preset: Preset,
    prompts: Prompts,
    num_prompts: int | None,
) -> list[Plan]:
    """The plans of all suites that make videos.

    With several suites, --arms says which arms to run of those that a suite has; a suite without
    any of them is left out.
    """
    arms = [name.strip() for name in options.arms.split(",") if name.strip()]
    find_arms(arms, dict.fromkeys(name for suite in suites for name in suite.arms))
    plans = []
    for suite in (suite for suite in suites if suite.uses_model):
        own = [name for name in arms if name in suite.arms] if len(suites) > 1 else arms
        if arms and not own:
            continue
        plan_options = PlanOptions(
            num_prompts=num_prompts,
            num_chunks=options.chunks,
            num_seeds=options.seeds,
            arms=tuple(own),
            quick=options.quick,
            among_all=len(suites) > 1,
        )
        plan = make_plan(suite, preset, prompts, plan_options)
        if plan.arms:
            plans.append(plan)
    return plans


def read_selection(text: str | None, preset: Preset) -> tuple[Prompts, int | None]:
    """The file of prompts, and how many of them if that was said.

    Raises:
        ConfigError: the file cannot be read, or there is none for the preset.
    """
    if text is None or text.lstrip("-").isdecimal():
        return read_prompts(prompts_of(preset)), None if text is None else int(text)
    prompts = read_prompts(Path(text))
    return prompts, len(prompts.texts)


def find_runs(options: argparse.Namespace) -> list["ExternalVideo"]:
    """The runs of --runs, whose frames are read later.

    Raises:
        RunError: there is no such run, or it has no frames.
    """
    if not options.runs:
        return []
    from t2v.cli.measured_runs import video_of_run

    return [video_of_run(options.runs_dir or home() / "runs", run_id) for run_id in options.runs]
