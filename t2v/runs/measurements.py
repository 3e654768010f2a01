"""The measurements of a run as a few spans of chunks, for any length of video."""

from dataclasses import dataclass

from t2v.runs.events import ChunkMeasured, Rewound, RunEvent
from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_events


MAX_SPANS = 48  # a longer video has two chunks in a span, or four, and so on


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean that can be joined with another one."""

    total: float = 0.0
    count: int = 0

    @classmethod
    def of(cls, value: float | None) -> "Mean":
        return cls() if value is None else cls(value, 1)

    def __add__(self, other: "Mean") -> "Mean":
        return Mean(self.total + other.total, self.count + other.count)

    @property
    def value(self) -> float | None:
        return self.total / self.count if self.count else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What was measured of chunks that follow each other; units as in `ChunkMeasured`."""

    first: int
    last: int
    motion: Mean
    seam_ratio: Mean
    worst_seam: float | None
    drift: Mean
    sharpness: Mean
    num_cuts: int
    num_stagnant: int  # chunks

    @classmethod
    def of(cls, one: ChunkMeasured) -> "Span":
        return cls(
            first=one.index,
            last=one.index,
            motion=Mean.of(one.motion),
            seam_ratio=Mean.of(one.seam_ratio),
            worst_seam=one.seam_ratio,
            drift=Mean.of(one.drift),
            sharpness=Mean.of(one.sharpness),
            num_cuts=int(one.is_cut is True),
            num_stagnant=int(one.is_stagnant),
        )

    def joined(self, later: "Span") -> "Span":
        """This span and a later one as one."""
        seams = [seam for seam in (self.worst_seam, later.worst_seam) if seam is not None]
        return Span(
            first=self.first,
            last=later.last,
            motion=self.motion + later.motion,
            seam_ratio=self.seam_ratio + later.seam_ratio,
            worst_seam=max(seams, default=None),
            drift=self.drift + later.drift,
            sharpness=self.sharpness + later.sharpness,
            num_cuts=self.num_cuts + later.num_cuts,
            num_stagnant=self.num_stagnant + later.num_stagnant,
        )


class Measurements:
    """Folds the events of a run. Its size does not depend on the length of the video.

    Attributes:
        chunks_per_span: a power of two. Span k has the chunks from k times that number on.
        spans: by number; without those of which nothing is measured.
        newest: the last chunk that was measured, alone.
    """

    def __init__(self, max_spans: int = MAX_SPANS) -> None:
        self._max_spans = max_spans
        self.clear()

    def clear(self) -> None:
        self.chunks_per_span = 1
        self.spans: dict[int, Span] = {}
        self.newest: Span | None = None

    def add(self, event: RunEvent) -> None:
        match event:
            case Rewound():  # the log repeats what still holds
                self.clear()
            case ChunkMeasured():
                self._add(Span.of(event))

    def _add(self, span: Span) -> None:
        self.newest = span
        self.widen(span.last + 1)
        number = span.first // self.chunks_per_span
        before = self.spans.get(number)
        self.spans[number] = before.joined(span) if before else span

    def widen(self, num_chunks: int) -> None:
        """Makes the spans wide enough for a video of so many chunks."""
        while num_chunks > self.chunks_per_span * self._max_spans:
            self.chunks_per_span *= 2
            halved: dict[int, Span] = {}
            for number, span in self.spans.items():
                before = halved.get(number // 2)
                halved[number // 2] = before.joined(span) if before else span
            self.spans = halved

    def total(self) -> Span | None:
        """All of it as one span; None if nothing is measured."""
        spans = list(self.spans.values())
        if not spans:
            return None
        total = spans[0]
        for span in spans[1:]:
            total = total.joined(span)
        return total


def measured_so_far(folder: RunFolder, num_frames: int) -> Span | None:
    """What was measured of the chunks within the first frames of a run; None without numbers.

    Reads the log.
    """
    measurements = Measurements(max_spans=1)
    for event in iter_events(folder):
        if isinstance(event, ChunkMeasured) and event.start_frame + event.num_frames > num_frames:
            continue
        measurements.add(event)
    return measurements.total()
