"""Resuming a run: what of its folder still holds, and where the next chunk starts."""

from dataclasses import dataclass
from functools import partial

from t2v.atomic import atomic_write
from t2v.events import Notice, RefinerState, ResumeState
from t2v.media.mp4 import is_whole_mp4
from t2v.runs.events import ChunkMeasured, LoggedEvent, Rewound, SegmentReady, is_end, to_line
from t2v.runs.folder import RunFolder
from t2v.runs.log import is_whole, iter_events
from t2v.runs.record import RunRecord, RunSettings


MAX_ATTEMPTS = 3  # consecutive attempts that died in the same chunk; then the run has failed


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """How much of a run can be kept: whole chunks from the first on, with their stored frames."""

    num_chunks: int
    num_frames: int
    num_refined_frames: int
    refiner: RefinerState | None

    def includes(self, event: LoggedEvent) -> bool:
        """Whether an event of the log is about a chunk that is kept."""
        if isinstance(event, ChunkMeasured):
            return event.start_frame < self.num_frames
        if not isinstance(event, SegmentReady):
            return False
        end = self.num_refined_frames if event.track == "refined" else self.num_frames
        return event.start_frame < end


def find_resume_point(
    folder: RunFolder, settings: RunSettings, rewind_to: int | None = None
) -> ResumePoint:
    """Reads how much of a run is done.

    Args:
        rewind_to: the first chunk that is not to be kept.
    """
    chunking, frame_store = settings.chunking, folder.frame_store(settings.chunking)
    max_chunks = settings.config.num_chunks if rewind_to is None else rewind_to
    num_chunks = num_refined_frames = 0
    for event in iter_events(folder):
        match event:
            case SegmentReady(track="refined") if event.start_frame == num_refined_frames:
                if is_whole_mp4(event.path):
                    num_refined_frames += event.num_frames
            case SegmentReady(track="preview", start_frame=start):
                is_next = start == chunking.num_frames(num_chunks) and num_chunks < max_chunks
                if is_next and frame_store.has(start) and is_whole_mp4(event.path):
                    num_chunks += 1
    num_chunks = frame_store.num_whole_chunks(num_chunks)
    state = None
    if settings.active_refiner is not None:
        overlap = settings.active_refiner.overlap
        num_before = None
        while num_before != num_chunks:  # the refiner reads frames of older chunks as well
            num_before, num_frames = num_chunks, chunking.num_frames(num_chunks)
            state = frame_store.refiner_before(num_frames, num_refined_frames, overlap)
            first = chunking.chunk_at(state.num_frames) if state else 0
            num_chunks = frame_store.num_whole_chunks(num_chunks, first)
        num_refined_frames = state.num_frames - overlap if state else 0
    return ResumePoint(num_chunks, chunking.num_frames(num_chunks), num_refined_frames, state)


def reopen(folder: RunFolder) -> ResumeState | None:
    """Reduces a run to what it can resume from, and returns that; None at its start.

    Removes the end from the log, and the chunks that `run.json` says to redo. Idempotent: safe to
    repeat after any interruption, including one of this call.

    Raises:
        RunError: the folder cannot be read.
    """
    record = folder.read()
    point = find_resume_point(folder, record.settings, record.rewind_to)
    frame_store = folder.frame_store(record.settings.chunking)
    state = None
    if point.num_chunks:  # read first: damaged frames must not cost the log its end
        state = ResumeState(
            num_chunks=point.num_chunks,
            memory=frame_store.memory_after(point.num_chunks),
            refiner=point.refiner,
            read_frames=partial(frame_store.read_from, end=point.num_frames),
        )
    folder.check_mine()
    folder.delete_parts()
    rewrite_log(folder, point)
    frame_store.delete_from(point.num_frames)
    folder.compared_path.unlink(missing_ok=True)
    if record.rewind_to is not None:
        folder.update(rewind_to=None)
    return state


def rewrite_log(folder: RunFolder, point: ResumePoint) -> None:
    """Leaves only what is about kept chunks, after a Rewound event; nothing if that is all."""
    revision, has_more = 0, False
    for number, event in enumerate(iter_events(folder)):
        if isinstance(event, Rewound) and number == 0:
            revision = event.revision
        elif is_end(event) or (is_of_chunk(event) and not point.includes(event)):
            has_more = True
    if not has_more and is_whole(folder):
        return
    rewound = Rewound(
        revision=revision + 1,
        num_frames=point.num_frames,
        num_refined_frames=point.num_refined_frames,
    )
    with (
        atomic_write(folder.log_path, folder.check_mine) as part,
        part.open("w", encoding="utf-8") as rewritten,
    ):
        rewritten.write(to_line(rewound))
        for event in iter_events(folder):
            if point.includes(event):
                rewritten.write(to_line(event))


def is_of_chunk(event: LoggedEvent) -> bool:
    """Whether an event is about one chunk, and holds as long as that is kept."""
    return isinstance(event, SegmentReady | ChunkMeasured)


def prepare(folder: RunFolder, *, by_user: bool) -> int:
    """Makes a run ready to resume, and returns how many chunks are done.

    Args:
        by_user: somebody asked for it; otherwise a notice tells viewers why the run resumes.
    """
    state = reopen(folder)
    num_chunks = state.num_chunks if state else 0
    if num_chunks and not by_user:
        total = folder.read().settings.config.num_chunks
        folder.append(
            Notice(
                f"This video was interrupted after {num_chunks} of {total} chunks, and resumes "
                "from there."
            )
        )
    return num_chunks


def may_retry(record: RunRecord) -> bool:
    """Whether another attempt is worth it: not if one chunk has killed the app several times."""
    return record.num_attempts < MAX_ATTEMPTS
