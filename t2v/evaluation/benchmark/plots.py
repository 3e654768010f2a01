"""`per_chunk.png`: how videos change from chunk to chunk, one line an arm."""

from importlib.util import find_spec
from pathlib import Path

from t2v.atomic import atomic_write
from t2v.evaluation.arms.catalogue import ARMS
from t2v.evaluation.benchmark.results import Results


PANELS = {
    "motion": "motion, px a frame",
    "warp_error": "warp error, grey levels²",
    "change": "change of pixels, grey levels",
    "drift_colour": "drift of colour, grey levels",
}
STYLES = {"reference": "--", "control": ":"}
NO_PLOTS = "plots are left out: they need matplotlib (pip install 'longtake[metrics]')"


def can_plot() -> bool:
    """Whether matplotlib is there, which only plots need."""
    return find_spec("matplotlib") is not None


def write_plots(results: Results, path: Path) -> None:
    """Means over videos of each chunk. Frozen and empty arms have their lines too."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots(2, 2)
    for axis, (name, label) in zip(axes.flat, PANELS.items(), strict=True):
        axis.set_prop_cycle(color=colormaps["tab20"](range(20)))  # there are more than 10 arms
        for arm in results.plan.arms:
            values = results.per_chunk(arm, name)
            is_first = arm == results.plan.arms[0]
            axis.plot(
                range(len(values)),
                values,
                STYLES.get(ARMS[arm].kind, "-"),
                label=arm,
                linewidth=2.5 if is_first else 1.2,
            )
        axis.set_xlabel("chunk")
        axis.set_title(label, fontsize="medium")
        axis.set_ylim(bottom=0)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside right upper")
    figure.suptitle(f"{results.plan.suite.name}: {results.plan.suite.question}", fontsize="medium")
    with atomic_write(path) as part:
        figure.savefig(part, format="png", dpi=110)
