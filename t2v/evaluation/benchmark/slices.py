"""Pictures of X-T slices: one row of every frame, time downwards, of all arms side by side."""

from dataclasses import replace

from t2v.evaluation.benchmark.folder import BenchmarkFolder, read_values, read_video
from t2v.evaluation.benchmark.pictures import beside, title, write_picture
from t2v.evaluation.benchmark.plan import Case, Plan
from t2v.evaluation.metrics.slices import xt_picture


MAX_PICTURES = 3  # prompts of which slices are written
SCALE = 2  # pixels for each pixel of the row, and for each frame


def write_slices(plan: Plan, folder: BenchmarkFolder) -> None:
    """One picture a prompt, with the slices of all arms side by side, through the middle row."""
    out = folder.suite(plan.suite.name) / "xt"
    for prompt in range(min(MAX_PICTURES, plan.num_prompts)):
        case = Case("", plan.num_chunks, prompt, 0)
        columns = []
        for arm in plan.arms:
            one = replace(case, arm=arm)
            if folder.measures(one).exists() and folder.video(one).exists():
                video = read_video(folder.video(one))
                ticks = read_values(folder.measures(one))["boundaries"]
                columns.append((arm, xt_picture(video, ticks, scale=SCALE)))
        if columns:
            heading = title(f"{plan.prompts.texts[prompt]} (row in the middle, time downwards)")
            write_picture(out / f"{case.name}.png", beside(columns, heading))
