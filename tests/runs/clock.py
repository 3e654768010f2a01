"""Clocks that only denoising steps move: estimates do not depend on how busy the machine is."""

from pathlib import Path

from t2v.events import StepDone
from t2v.runs.eta import Stopwatch
from t2v.runs.events import Progress
from t2v.runs.folder import RunFolder
from t2v.runs.record import RunSettings
from t2v.runs.writer import RunWriter
from tests.support.fakes import PaintingStream, opener


class StillStopwatch(Stopwatch):
    """A stopwatch that a test moves by adding to `total`."""

    total = 0.0

    def __init__(self, before: float):
        self.total = before


class StepStopwatch(Stopwatch):
    """A stopwatch that counts the steps of a stream as seconds."""

    def __init__(self, before: float, stream: PaintingStream):
        super().__init__(before)
        self._stream = stream
        self._first = stream.num_steps_done

    @property
    def this_execution(self) -> float:
        return float(self._stream.num_steps_done - self._first)


def progress_of_all_steps(run: RunSettings, runs_dir: Path) -> list[Progress]:
    """The progress of every track after every step of a run; each step takes 1 second."""
    stopwatch = StillStopwatch(100.0)  # of earlier executions
    writer = RunWriter(RunFolder.create(runs_dir, run), run, stopwatch)
    progress = []
    for event in opener(PaintingStream())("painted")(run.config):
        if isinstance(event, StepDone):
            stopwatch.total += 1.0
        progress += writer.write(event)
    return progress
