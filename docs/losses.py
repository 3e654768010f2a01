"""Draws the loss curves of `t2v train`: one plot a stage, one line a loss.

python -m docs.losses             # of `shapes`: docs/training/*.jsonl
python -m docs.losses training    # of a run of one's own: its --work
"""

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from t2v.training.recipe import STEPS


DOCS = Path(__file__).parent
COLUMNS = 5
NOT_LOSSES = {"step", "time", "gates"}
MOST_LINES = 8  # a legend of more hides what it explains


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", type=Path, nargs="?", default=DOCS / "training")
    parser.add_argument("--out", type=Path, default=DOCS / "losses.png")
    options = parser.parse_args()
    stages = [name for name in STEPS if (options.logs / f"{name}.jsonl").is_file()]
    if not stages:
        parser.error(f"no logs of `t2v train` in {options.logs}")

    rows = -(-len(stages) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(17, 3.6 * rows), squeeze=False)
    for axis in axes.flat[len(stages) :]:
        axis.set_axis_off()
    for axis, name in zip(axes.flat, stages, strict=False):
        lines = (options.logs / f"{name}.jsonl").read_text().splitlines()
        draw(axis, name, [json.loads(line) for line in lines])
    figure.tight_layout()
    figure.savefig(options.out, dpi=80)


def draw(axis: Axes, title: str, log: list[dict[str, float]]) -> None:
    """The loss in black, its parts in colours; not every step has every part."""
    for name in [name for name in log[-1] if name not in NOT_LOSSES][:MOST_LINES]:
        points = [(entry["step"], entry[name]) for entry in log if name in entry]
        style = {"color": "black", "linewidth": 2} if name == "loss" else {"linewidth": 1}
        axis.plot(*zip(*points, strict=True), label=name.replace("_", " "), **style)
    axis.set_title(title)
    axis.set_yscale("log")
    axis.set_xlabel("step")
    axis.legend(fontsize=7)


if __name__ == "__main__":
    main()
