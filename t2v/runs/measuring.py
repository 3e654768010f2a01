"""Measures the chunks of a run while it is made, on a thread beside.

Nothing waits for it. The thread that makes the run says only that there is a new chunk; the frames
are read from the frame store. So a meter that falls behind holds two counts and no frames, and
whoever makes the run next goes on where the log has no measurements yet. The numbers are the same.
"""

import logging
import math
import threading
import time

import numpy as np

from t2v.errors import RunError
from t2v.evaluation.metrics.chunk import FRAMES_BEFORE, measure_chunk
from t2v.evaluation.metrics.measurement import Measurement
from t2v.events import Frames
from t2v.media.images import resize
from t2v.runs.events import ChunkMeasured, SegmentReady
from t2v.runs.folder import RunFolder
from t2v.runs.log import EventLog
from t2v.runs.sharing.lease import LeaseLostError
from t2v.settings.chunking import Chunking


LONGEST_SIDE = 256  # pixels: larger frames are shrunk, so that a chunk takes a fraction of a second
DIGITS = 4  # after the point
REST_SECONDS = 3.0  # that the end of a run may wait for its last measurements

log = logging.getLogger(__name__)


class Meter:
    """Measures the chunks of the preview in order, those that the log has no numbers of yet.

    It keeps the anchor frame and two counts, however long the video is.
    """

    def __init__(self, folder: RunFolder, chunking: Chunking):
        self._log = EventLog(folder)
        self._frame_store = folder.frame_store(chunking)
        self._chunking = chunking
        self._next = 0  # index of the first chunk that is not measured
        self._num_done = 0  # chunks in the log
        self._anchor: Frames | None = None

    def measure_next(self) -> ChunkMeasured | None:
        """Measures the next chunk that is done; None if all are measured.

        A chunk whose frames are damaged is left out.
        """
        self._follow_log()
        while self._next < self._num_done:
            index, self._next = self._next, self._next + 1
            try:
                return self._measure(index)
            except RunError:
                log.warning("chunk %d cannot be measured: its frames are damaged", index)
        return None

    def _follow_log(self) -> None:
        while events := self._log.read():
            for event in events:
                match event:
                    case SegmentReady(track="preview", index=index):
                        self._num_done = index + 1
                    case ChunkMeasured(index=index):
                        self._next = max(self._next, index + 1)

    def _measure(self, index: int) -> ChunkMeasured:
        start = self._chunking.num_frames(index)
        frames = self._frame_store.read(start)
        if self._anchor is None:
            self._anchor = self._frame_store.read(0)[:1]
        first = max(0, start - FRAMES_BEFORE)
        before = [frames[:0], *self._frame_store.read_from(first, start)]
        height, width = frames.shape[1:3]
        factor = max(1.0, max(height, width) / LONGEST_SIDE)
        size = round(height / factor), round(width / factor)
        numbers = measure_chunk(
            resize(np.concatenate(before), size),
            resize(frames, size),
            resize(self._anchor, size)[0],
            shrunk=factor,
        )
        sharpness = numbers.drift_sharpness.value
        return ChunkMeasured(
            index=index,
            start_frame=start,
            num_frames=len(frames),
            motion=rounded(numbers.motion),
            stagnant_share=rounded(numbers.stagnant_share),
            seam_ratio=rounded(numbers.seam_ratio),
            drift=rounded(numbers.drift_colour),
            sharpness=None if sharpness is None else round(math.exp(sharpness), DIGITS),
            is_cut=numbers.is_cut,
        )


def rounded(measurement: Measurement) -> float | None:
    return None if measurement.value is None else round(measurement.value, DIGITS)


class Measuring:
    """Measures on its own thread, which starts with the first chunk, and writes into the log."""

    def __init__(self, folder: RunFolder, chunking: Chunking):
        self._folder = folder
        self._meter = Meter(folder, chunking)
        self._has_news = threading.Event()
        self._is_over = False
        self._thread: threading.Thread | None = None

    def chunk_done(self) -> None:
        """Says that the log has a new chunk. Does not wait."""
        self._has_news.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="measuring", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Ends the thread, which measures one more chunk at most."""
        self._is_over = True
        self._has_news.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._is_over:
                measured = self._meter.measure_next()
                if measured is not None:
                    self._folder.append(measured)
                    continue
                self._has_news.wait()
                self._has_news.clear()
        except LeaseLostError:
            pass  # the thread that makes the run finds that out as well
        except Exception:  # the video is worth more than its numbers
            log.exception("chunks are not measured any more")


def measure_rest(folder: RunFolder, chunking: Chunking, seconds: float = REST_SECONDS) -> None:
    """Measures what the thread beside has left, and writes it into the log.

    Args:
        seconds: when to give up. What is left then is measured when the run is continued.

    Raises:
        LeaseLostError: another process makes this run.
    """
    until, meter = time.monotonic() + seconds, Meter(folder, chunking)
    try:
        while time.monotonic() < until and (measured := meter.measure_next()) is not None:
            folder.append(measured)
    except LeaseLostError:
        raise
    except Exception:  # the end of the run must be written all the same
        log.exception("the last chunks of run %s are not measured", folder.id)
