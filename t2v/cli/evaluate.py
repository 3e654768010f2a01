"""`longtake evaluate`: how well a stack draws what the prompts ask for."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from t2v.atomic import atomic_write
from t2v.cli.arguments import Commands, naming_options
from t2v.evaluation import check_num_prompts
from t2v.output_names import check_output
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import find_preset


def add(commands: Commands) -> None:
    command = commands.add_parser("evaluate", help="measure a stack", description=run.__doc__)
    command.add_argument(
        "--preset", default="shapes", help="The preset to measure (default: %(default)s)."
    )
    command.add_argument(
        "--prompts",
        type=int,
        default=64,
        help="Held-out prompts, at least 4 (default: %(default)s).",
    )
    command.add_argument("--steps", type=int, help="Denoising steps (default: the preset's).")
    command.add_argument("--out", type=Path, help="A JSON file for the table.")
    command.add_argument("--sheet", type=Path, help="A PNG with 16 prompts x 12 frames.")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measures how well samples show what the prompts ask for.

    The table has 95 % intervals, and real videos as controls.
    """
    preset = find_preset(options.preset)
    check_num_prompts(options.prompts)
    if options.steps is not None:
        preset = replace(preset, defaults=preset.defaults | {"num_inference_steps": options.steps})
        with naming_options(GenerationConfig):
            preset.config(prompt="any")  # refuses steps that are out of range
    for option, path, suffix in (
        ("--out", options.out, ".json"),
        ("--sheet", options.sheet, ".png"),
    ):
        if path:
            check_output(option, path, suffix, overwrite=True)

    from t2v.evaluation.report import evaluate, format_table

    report = evaluate(preset, options.prompts, options.sheet)
    print(format_table(report))
    if options.out:
        with atomic_write(options.out) as part:
            part.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0
