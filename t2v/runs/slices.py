"""X-T slices of runs: one row of every frame, side by side over time, while a run is made.

Things that move draw lines; a seam between chunks breaks all lines at one place. A slice keeps its
row alone, and of a long video every second frame, or every fourth, and so on.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt8

from t2v.errors import ConfigError, RunError
from t2v.evaluation.metrics.slices import xt_slice
from t2v.runs.events import Rewound, SegmentReady
from t2v.runs.folder import RunFolder
from t2v.runs.log import EventLog
from t2v.settings.chunking import Chunking
from t2v.settings.declaration import brief


MAX_COLUMNS = 768
MAX_KEPT = 8  # slices of all viewers; one takes 0.6 MB at 256 pixels
BATCH = 48  # chunks that are read at once: a viewer of a long video sees it grow


class Slice:
    """One row of a run's preview over time. It follows the log, so it grows with the run.

    Args:
        share: which row, from 0 (top) to 1 (bottom).
        num_frames: of the whole video, as far as is known.

    Attributes:
        step: so many frames become one column.
        num_frames: that have been read, with those between the columns.
        row, height: of the frames; 0 as long as there are none.
        revision: how often the run has been rewound.
    """

    def __init__(self, folder: RunFolder, chunking: Chunking, share: float, num_frames: int):
        self._log = EventLog(folder)
        self._store = folder.frame_store(chunking)
        self._share = share
        self._step_at_start = 1
        while num_frames > MAX_COLUMNS * self._step_at_start:
            self._step_at_start *= 2
        self._pending: list[SegmentReady] = []
        self._lock = threading.Lock()
        self.revision = 0
        self._clear()

    def _clear(self) -> None:
        self.step = self._step_at_start
        self.num_frames = self.row = self.height = 0
        self._columns = np.zeros((0, 1, 3), np.uint8)
        self._num_columns = 0
        self._pending = []

    @property
    def picture(self) -> UInt8[np.ndarray, "w columns 3"]:
        """Time from left to right, the left end of the row at the top."""
        return self._columns[: self._num_columns].transpose(1, 0, 2)

    def follow(self, num_chunks: int = BATCH) -> bool:
        """Reads the next chunks, at most `num_chunks`; whether there are more. Reads files."""
        with self._lock:
            for _ in range(num_chunks):
                segment = self._next_segment()
                if segment is None:
                    return False
                self._add(segment)
            return True

    def _next_segment(self) -> SegmentReady | None:
        while not self._pending:
            try:
                events = self._log.read()
            except RunError:  # a damaged log shows what came before
                return None
            if not events:
                return None
            for event in events:
                if isinstance(event, Rewound):  # the log repeats what still holds
                    self._clear()
                    self.revision = event.revision
                elif isinstance(event, SegmentReady) and event.track == "preview":
                    self._pending.append(event)
        return self._pending.pop(0)

    def _add(self, segment: SegmentReady) -> None:
        first, end = segment.start_frame, segment.start_frame + segment.num_frames
        wanted = range(-(-first // self.step) * self.step, end, self.step)
        if wanted:
            try:
                frames = self._store.read(first)
            except RunError:  # damaged, or deleted to be made again: a gap
                frames = None
            for number in wanted:
                self._put(number, None if frames is None else frames[number - first])
        self.num_frames = end

    def _put(self, number: int, frame: UInt8[np.ndarray, "h w 3"] | None) -> None:
        if number % self.step:  # the step has grown since the chunk was looked at
            return
        if frame is not None and not self.height:
            self.height, width = frame.shape[:2]
            self.row = round(self._share * (self.height - 1))
            self._columns = np.zeros((MAX_COLUMNS, width, 3), np.uint8)
        column = number // self.step
        if column >= MAX_COLUMNS:
            self._columns[: MAX_COLUMNS // 2] = self._columns[::2].copy()
            self.step *= 2
            self._num_columns = MAX_COLUMNS // 2
            self._put(number, frame)
            return
        if frame is not None and frame.shape[1] == self._columns.shape[1]:
            self._columns[column] = xt_slice(frame[None], self.row)[0]
        elif self.height:
            self._columns[column] = 0
        if self.height:
            self._num_columns = column + 1


class SliceCache:
    """The slices that were looked at last, so that a growing one is not read from its start."""

    def __init__(self) -> None:
        self._slices: OrderedDict[tuple[str, float], Slice] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, folder: RunFolder, chunking: Chunking, share: Any, num_frames: int) -> Slice:
        """The slice of a run; arguments as of `Slice`.

        Raises:
            ConfigError: `share` is no number from 0 to 1.
        """
        is_number = isinstance(share, int | float) and not isinstance(share, bool)
        if not is_number or not 0 <= share <= 1:
            raise ConfigError(f"row must be from 0 (top) to 1 (bottom), got {brief(share)}")
        key = (folder.id, share)
        with self._lock:
            found = self._slices.pop(key, None) or Slice(folder, chunking, share, num_frames)
            self._slices[key] = found
            while len(self._slices) > MAX_KEPT:
                self._slices.popitem(last=False)
        return found


def boundaries(chunking: Chunking, num_frames: int, most: int) -> Iterator[int]:
    """First frames of chunks after the first, of at most `most` chunks at equal distances."""
    num_chunks = chunking.num_complete(num_frames - 1) + 1
    every = 1
    while num_chunks > most * every:
        every *= 2
    for chunk in range(every, num_chunks, every):
        yield chunking.num_frames(chunk)
