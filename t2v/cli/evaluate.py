"""`t2v evaluate`: what a stack shows against what was asked."""

import json
from pathlib import Path

from t2v.cli.arguments import check_output
from t2v.presets import find_preset


def add(commands) -> None:
    command = commands.add_parser("evaluate", help="measure a stack", description=run.__doc__)
    command.add_argument("--preset", default="shapes", help="only shapes knows its own truth")
    command.add_argument("--prompts", type=int, default=64, help="held-out prompts (at least 4)")
    command.add_argument("--out", type=Path, help="a JSON file for the table")
    command.add_argument("--sheet", type=Path, help="a PNG with 16 prompts x 12 frames")
    command.set_defaults(run=run)


def run(options) -> int:
    """Measures what samples show against what was asked, with 95 % intervals and real controls."""
    preset = find_preset(options.preset)
    for option, path, suffix in (
        ("--out", options.out, ".json"),
        ("--sheet", options.sheet, ".png"),
    ):
        if path:
            check_output(option, path, suffix, force=True)

    from t2v.evaluation import evaluate, format_table

    report = evaluate(preset, options.prompts, options.sheet)
    print(format_table(report))
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0
