"""How long a benchmark will take: measured on this machine, as busy as it is, before it begins."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from t2v.evaluation.arms.catalogue import ARMS
from t2v.evaluation.benchmark.case_runner import CaseRunner
from t2v.evaluation.benchmark.plan import Case
from t2v.evaluation.metrics.mawe import pair_terms
from t2v.evaluation.samples import generate


FIRST_CHUNK = 2.2  # in later chunks: it draws an image as well, and decodes twice the frames
OTHER_METRICS = 1.2  # all metrics in the time of the flow and the warp, about
PROBED_PAIRS = 4


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds for a chunk with both memories, and for a pair of frames that is measured."""

    chunk: float
    pair: float

    def of_case(self, case: Case, num_frames: int) -> float:
        drawing = ARMS[case.arm].cost * self.chunk * (case.num_chunks - 1)
        return drawing + OTHER_METRICS * self.pair * (num_frames - 1)


def probe_speed(runner: CaseRunner, case: Case) -> Speed:
    """Draws a chunk and measures a few frames. The first chunk, which is kept, warms up."""
    first = runner.first_chunk(case)
    stack = runner.stack
    memory = runner.memory_of_first(case)
    config = replace(runner.config(case), num_chunks=2)
    for _ in range(2):  # the first time, libraries prepare themselves
        started = time.perf_counter()
        generate(stack, config, first_chunk=1, memory=memory)
        chunk = time.perf_counter() - started
    started = time.perf_counter()
    pair_terms(first[: PROBED_PAIRS + 1], runner.flow, runner.sizes)
    return Speed(chunk, (time.perf_counter() - started) / PROBED_PAIRS)


def estimate_seconds(runner: CaseRunner, cases: Iterable[Case], speed: Speed) -> float:
    """About how long these cases take, with the first chunks that they lack."""
    seconds, begun = 0.0, set()
    for case in cases:
        seconds += speed.of_case(case, runner.preset.chunking.num_frames(case.num_chunks))
        if case.name not in begun and not runner.folder.first_chunk(case).exists():
            seconds += FIRST_CHUNK * speed.chunk
        begun.add(case.name)
    return seconds


def in_words(seconds: float) -> str:
    """90 seconds, 12 minutes, 3.5 hours."""
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
