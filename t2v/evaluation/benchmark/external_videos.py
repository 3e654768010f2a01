"""Videos that were made elsewhere: runs of the app, measured as they are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from t2v.evaluation.benchmark.case_runner import to_json
from t2v.evaluation.benchmark.folder import BenchmarkFolder, Frames, write_text, write_values
from t2v.evaluation.benchmark.pictures import beside, title, write_picture
from t2v.evaluation.benchmark.slices import SCALE
from t2v.evaluation.benchmark.suites import MOTION, SEAMS, WARPS
from t2v.evaluation.benchmark.table import row, value_of
from t2v.evaluation.metrics.catalogue import CATALOGUE
from t2v.evaluation.metrics.flow import FlowBackend
from t2v.evaluation.metrics.mawe import Sizes
from t2v.evaluation.metrics.slices import xt_picture
from t2v.evaluation.metrics.video import measure_video
from t2v.evaluation.networks.metric_networks import Measure, measure_by_networks


SHOWN = (*SEAMS, *WARPS, *MOTION, "drift_colour")
FOLDER = "runs"


@dataclass(frozen=True, slots=True)
class ExternalVideo:
    """A video with its chunks.

    Args:
        note: what a reader should know of its frames, as that they were compressed.
        read: gives the frames; called once.
    """

    name: str
    prompt: str
    note: str
    boundaries: Sequence[int]
    read: Callable[[], Frames]


def measure_external(
    videos: Sequence[ExternalVideo],
    folder: BenchmarkFolder,
    flow: FlowBackend,
    sizes: Sizes,
    measures: Mapping[str, Measure],
    protocol: Mapping[str, Any],
) -> None:
    """Measures each video, and writes runs/report.json, runs/table.md and their slices."""
    rows = {}
    out = folder.suite(FOLDER)
    for video in videos:
        frames = video.read()
        measured = measure_video(frames, boundaries=video.boundaries, flow=flow, sizes=sizes)
        measured |= measure_by_networks(measures, frames, video.prompt)
        rows[video.name] = {
            "prompt": video.prompt,
            "note": video.note,
            "num_frames": len(frames),
            "measures": to_json(measured),
        }
        picture = xt_picture(frames, video.boundaries, scale=SCALE)
        write_picture(
            out / "xt" / f"{video.name}.png", beside([("", picture)], title(video.prompt))
        )
    write_values(out / "report.json", {"protocol": dict(protocol), "runs": rows})
    write_text(out / "table.md", format_runs(rows, (*SHOWN, *measures)))


def format_runs(rows: Mapping[str, Mapping[str, Any]], shown: Sequence[str]) -> str:
    """A column for each run: they share no prompts, so they have no intervals."""
    lines = [
        "# Runs",
        "",
        "Single videos, each of its own prompt: no intervals, and nothing to compare them with.",
        "",
        row("", *(f"`{name[:8]}`" for name in rows)),
        row(*["---"] * (1 + len(rows))),
        row("prompt", *(one["prompt"].replace("|", "/") for one in rows.values())),
        row("frames", *(one["num_frames"] for one in rows.values())),
        row("note", *(one["note"] for one in rows.values())),
    ]
    for name in shown:
        cells = []
        for one in rows.values():
            value = one["measures"][name]
            cells.append(value["reason"] if value["value"] is None else value_of(value))
        lines.append(row(CATALOGUE[name].label, *cells))
    return "\n".join(lines) + "\n"
