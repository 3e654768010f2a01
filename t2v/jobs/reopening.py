"""Going on with a run: what of its folder still holds, and where the next chunk begins."""

from dataclasses import dataclass
from functools import partial

from t2v.atomic import atomic_write
from t2v.config import first_frame_of
from t2v.jobs.run_folder import EventLog, RunFolder, RunSettings, to_line
from t2v.jobs.updates import Fact, Rewound, SegmentReady, is_end
from t2v.state import RefinerState, Start


@dataclass(frozen=True, slots=True)
class Kept:
    """How much of a run holds: whole chunks from the first on, whose memory is there."""

    num_chunks: int
    num_frames: int
    num_refined_frames: int
    refiner: RefinerState | None

    def includes(self, fact: Fact) -> bool:
        if not isinstance(fact, SegmentReady):
            return False
        end = self.num_refined_frames if fact.is_refined else self.num_frames
        return fact.start_frame < end


def reopen(folder: RunFolder) -> Start | None:
    """Makes the log say only what the run can go on from, and returns that; None at its start.

    Whatever interrupted the run, and also this: it can be called again. The end is taken out of
    the log, and so are the chunks that `run.json` says are to be made anew.

    Raises:
        JobError: the folder cannot be read.
    """
    record = folder.read()
    kept = find_kept(folder, record.settings, record.rewind_to)
    start = None
    if kept.num_chunks:  # read first: a memory that is damaged must not cost the log its end
        start = Start(
            num_chunks=kept.num_chunks,
            memory=folder.memory.memory_after(kept.num_chunks),
            refiner=kept.refiner,
            read_frames=partial(folder.memory.read_from, end=kept.num_frames),
        )
    rewrite_log(folder, kept)
    folder.memory.forget_from(kept.num_frames)
    folder.compared_path.unlink(missing_ok=True)
    if record.rewind_to is not None:
        folder.update(rewind_to=None)
    return start


def find_kept(folder: RunFolder, settings: RunSettings, rewind_to: int | None = None) -> Kept:
    """Reads how far a run is.

    Args:
        rewind_to: the first chunk that is not to be kept.
    """
    most = settings.config.num_chunks if rewind_to is None else rewind_to
    num_chunks = num_refined_frames = 0
    for fact in iter_facts(folder):
        match fact:
            case SegmentReady(is_refined=True) if fact.start_frame == num_refined_frames:
                num_refined_frames += fact.num_frames
            case SegmentReady(is_refined=False, start_frame=start):
                is_next = start == first_frame_of(num_chunks) and num_chunks < most
                num_chunks += is_next and folder.memory.has(start)
    num_frames = first_frame_of(num_chunks)
    refiner = None
    if settings.config.refine:
        overlap = settings.refiner.overlap
        refiner = folder.memory.refiner_before(num_frames, num_refined_frames, overlap)
        num_refined_frames = refiner.num_frames - overlap if refiner else 0
    return Kept(num_chunks, num_frames, num_refined_frames, refiner)


def rewrite_log(folder: RunFolder, kept: Kept) -> None:
    """Leaves only the segments that are kept, after a line that says so, if there is more."""
    take, is_as_kept = 0, True
    for number, fact in enumerate(iter_facts(folder)):
        if isinstance(fact, Rewound) and number == 0:
            take = fact.take
        else:
            is_segment = isinstance(fact, SegmentReady)
            is_as_kept &= kept.includes(fact) or not (is_segment or is_end(fact))
    if is_as_kept and folder.has_whole_log():
        return
    with atomic_write(folder.log_path) as part, part.open("w", encoding="utf-8") as log:
        log.write(to_line(Rewound(take + 1, kept.num_frames, kept.num_refined_frames)))
        for fact in iter_facts(folder):
            if kept.includes(fact):
                log.write(to_line(fact))


def iter_facts(folder: RunFolder):
    log = EventLog(folder)
    while facts := log.read():
        yield from facts
