"""Runs suites: makes what is missing, and writes what it says. A killed one goes on."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from t2v.evaluation.benchmark.case_runner import CaseRunner
from t2v.evaluation.benchmark.estimate import Speed, estimate_seconds, in_words, probe_speed
from t2v.evaluation.benchmark.folder import (
    BenchmarkFolder,
    read_values,
    write_text,
    write_values,
)
from t2v.evaluation.benchmark.pictures import write_sheet
from t2v.evaluation.benchmark.plan import Case, Plan
from t2v.evaluation.benchmark.plots import NO_PLOTS, can_plot, write_plots
from t2v.evaluation.benchmark.report import make_report
from t2v.evaluation.benchmark.results import MISSING, read_results
from t2v.evaluation.benchmark.slices import write_slices
from t2v.evaluation.benchmark.table import format_table


Tell = Callable[[str], None]


@dataclass(slots=True)
class Clock:
    """Compares what has been done with what it was estimated to take."""

    total: float
    done: float = 0.0
    spent: float = 0.0

    def add(self, estimated: float, spent: float) -> None:
        self.done += estimated
        self.spent += spent

    @property
    def left(self) -> float:
        """Seconds: the rest of the estimate, at the pace so far."""
        pace = self.spent / self.done if self.done else 1.0
        return max(0.0, self.total - self.done) * pace


def run_suites(
    plans: Sequence[Plan],
    folder: BenchmarkFolder,
    load: Callable[[], CaseRunner],
    manifest: Mapping[str, Any],
    *,
    networks: Collection[str] = (),
    quick: bool,
    tell: Tell,
) -> None:
    """Makes every video of the suites that is not there, measures it, and writes the reports.

    Args:
        load: gives the runner; not called if there is nothing to make.
        networks: the metrics that its networks measure.
        tell: is given a line for each step.
    """
    runner = cache(load)
    cases = list(dict.fromkeys(case for plan in plans for case in plan.cases()))
    missing = [case for case in cases if not is_made(folder, case)]
    tell(f"{len(cases)} videos, of which {len(cases) - len(missing)} are done already")
    clock, speed = Clock(0.0), Speed(0.0, 0.0)
    if missing:
        speed = probe_speed(runner(), missing[0])
        clock.total = estimate_seconds(runner(), missing, speed)
        tell(
            f"about {in_words(clock.total)}, as fast as this machine is now ({speed.chunk:.2f} s "
            f"for a chunk, {speed.pair:.3f} s to measure a pair of frames)"
        )
    if not can_plot():
        tell(NO_PLOTS)
    for plan in plans:
        for case in plan.cases():
            if is_made(folder, case, plan.lengths, networks):
                continue
            was_made = is_made(folder, case)
            started = time.perf_counter()
            runner().make(case, plan.lengths)
            if was_made:
                continue
            if MISSING in (found := read_values(folder.measures(case))):
                tell(f"{plan.suite.name}: {case.arm}, prompt {case.prompt + 1}: {found[MISSING]}")
                continue
            spent = time.perf_counter() - started
            num_frames = runner().preset.chunking.num_frames(case.num_chunks)
            clock.add(speed.of_case(case, num_frames), spent)
            tell(
                f"{plan.suite.name}: {case.arm}, prompt {case.prompt + 1}, seed {case.seed}: "
                f"{spent:.1f} s; about {in_words(clock.left)} left"
            )
        write_suite(plan, folder, manifest, quick=quick)
        tell(f"{plan.suite.name}: {folder.path / plan.suite.name / 'table.md'}")


def is_made(
    folder: BenchmarkFolder,
    case: Case,
    lengths: Sequence[int] = (),
    networks: Collection[str] = (),
) -> bool:
    """Whether a video was made and measured, at these lengths and by these networks as well."""
    path = folder.measures(case)
    if not path.exists():
        return False
    if not lengths and not networks:
        return True
    values = read_values(path)
    if MISSING in values:
        return True
    if not {*map(str, lengths)} <= values["lengths"].keys():
        return False
    return all(
        {*networks} <= measured.keys()
        for measured in (values["measures"], *values["lengths"].values())
    )


def write_suite(
    plan: Plan, folder: BenchmarkFolder, manifest: Mapping[str, Any], *, quick: bool
) -> None:
    """Writes report, table, plots and pictures from what is there."""
    results = read_results(plan, folder)
    report = make_report(results, manifest, quick=quick)
    out = folder.suite(plan.suite.name)
    write_values(out / "report.json", report)
    write_text(out / "table.md", format_table(report))
    if can_plot():
        write_plots(results, out / "per_chunk.png")
    write_sheet(plan, folder, out / "contact.png")
    write_slices(plan, folder)
