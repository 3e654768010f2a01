"""What was measured of a suite's videos, read from the files of a benchmark."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from t2v.evaluation.benchmark.folder import BenchmarkFolder, read_values
from t2v.evaluation.benchmark.plan import Plan
from t2v.evaluation.benchmark.statistics import Column, Key, column_of


MISSING = "missing"  # in the file of a video that could not be drawn: why


@dataclass(frozen=True, slots=True)
class Results:
    """The measure files of a suite that are there, by arm, prompt and seed."""

    plan: Plan
    files: Mapping[str, Mapping[Key, Mapping[str, Any]]]

    def column(self, arm: str, metric: str, length: int | None = None) -> Column:
        """A metric of an arm; of the first `length` frames if that is given."""
        not_drawn = {
            key: values[MISSING] for key, values in self.files[arm].items() if MISSING in values
        }
        return column_of(
            {
                key: values["measures"] if length is None else values["lengths"][str(length)]
                for key, values in self.drawn(arm).items()
            },
            metric,
            not_drawn,
        )

    def drawn(self, arm: str) -> dict[Key, Mapping[str, Any]]:
        """The files of the videos that there are; of the others, only the reason is kept."""
        return {key: values for key, values in self.files[arm].items() if MISSING not in values}

    def num_boundaries(self, arm: str) -> int | None:
        """At how many frames a video is looked for seams; None without videos."""
        return next((len(values["boundaries"]) for values in self.drawn(arm).values()), None)

    def per_chunk(self, arm: str, name: str) -> np.ndarray:
        """A series of an arm, its mean over videos. Empty without videos."""
        rows = [values["per_chunk"][name] for values in self.drawn(arm).values()]
        return np.array(rows).mean(axis=0) if rows else np.empty(0)

    def trained_parameters(self, arm: str) -> int | None:
        """Of the memories that the arm uses; None without videos."""
        counts = (values["trained_parameters"] for values in self.drawn(arm).values())
        return next(counts, None)

    def seconds(self, arm: str) -> float | None:
        """Median time to draw a video of this arm, without its first chunk where that is shared."""
        times = [values["seconds"] for values in self.drawn(arm).values()]
        known = [seconds for seconds in times if seconds is not None]
        return float(np.median(known)) if known else None


def read_results(plan: Plan, folder: BenchmarkFolder) -> Results:
    """Reads what there is; videos that are not measured yet are left out."""
    files: dict[str, dict[Key, Any]] = {arm: {} for arm in plan.arms}
    for case in plan.cases():
        path = folder.measures(case)
        if path.exists():
            files[case.arm][case.prompt, case.seed] = read_values(path)
    return Results(plan, files)
