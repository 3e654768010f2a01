"""Writes the chunks of a run into its folder, as they come."""

from t2v.events import Chunk, Event, Notice, StepDone, track_of
from t2v.media.images import Picture, hash_frames, resize, write_thumbnail
from t2v.media.segments import write_segment
from t2v.runs.eta import ProgressTracker, Stopwatch
from t2v.runs.events import Progress, SegmentReady, Started
from t2v.runs.folder import RunFolder
from t2v.runs.measuring import Measuring
from t2v.runs.record import RunSettings


CHUNK_THUMBNAIL_SIDE = 96  # pixels
PEAKS = ("peak_memory", "peak_gpu_memory")  # of a RunRecord


class RunWriter:
    """Writes what a stream yields; keeps numbers only, nothing that grows with the video."""

    def __init__(
        self,
        folder: RunFolder,
        settings: RunSettings,
        stopwatch: Stopwatch,
        notices: set[Notice] | None = None,
    ):
        """Starts to write where the folder's log ends.

        Args:
            stopwatch: of the work on this run.
            notices: that the log of this run has; new ones are added.
        """
        self.folder = folder
        self._notices = set() if notices is None else notices
        self._fps = settings.fps
        self._sizes = {"preview": settings.display_size}
        if settings.active_refiner is not None:
            self._sizes["refined"] = settings.active_refiner.display_size
        self._frame_store = folder.frame_store(settings.chunking)
        self._tracker = ProgressTracker(settings, stopwatch)
        self._measuring = Measuring(folder, settings.chunking)
        before = folder.read()
        self._peaks = {name: getattr(before, name) for name in PEAKS}
        folder.append(
            Started(
                num_chunks=settings.config.num_chunks,
                num_frames=settings.num_frames,
                fps=settings.fps,
            )
        )

    def write(self, event: Event) -> list[Progress]:
        """Writes what has to be kept of an event.

        Returns:
            After a step, the progress of every track; last the one that made the step.

        Raises:
            MediaError: the frames cannot be written.
        """
        match event:
            case StepDone(memory=memory, is_gpu=is_gpu):
                name = PEAKS[is_gpu]
                self._peaks[name] = max(self._peaks[name], memory)
                return self._tracker.step_done(event)
            case Notice() if event not in self._notices:
                self._notices.add(event)
                self.folder.append(event)
            case Chunk():
                self._write_chunk(event)
        return []

    def close(self) -> None:
        """Ends what is done beside. Chunks that are not measured yet are measured later."""
        self._measuring.close()

    def _write_chunk(self, chunk: Chunk) -> None:
        """Writes the files of a chunk, and then the event that says that all of them are there."""
        track = track_of(chunk.stage)
        frames = resize(chunk.frames, self._sizes[track])
        path = self.folder.segment_path(chunk.start_frame, track)
        write_segment(path, frames, fps=self._fps, check=self.folder.check_mine)
        if track == "preview":
            self._frame_store.save(chunk.start_frame, chunk.frames, chunk.memory)
            self._write_thumbnails(chunk.start_frame, frames[0])
        elif chunk.refiner is not None:
            self._frame_store.save_refiner(chunk.refiner)
        self.folder.append(
            SegmentReady(
                stage=chunk.stage,
                index=chunk.index,
                path=path,
                start_frame=chunk.start_frame,
                num_frames=len(frames),
                sha256=hash_frames(chunk.frames),
            )
        )
        self._tracker.chunk_done(chunk)
        if track == "preview":
            self._measuring.chunk_done()
        # Progress: attempts count anew, from the chunk that comes next.
        next_chunk = {"attempt_chunk": chunk.index + 1} if track == "preview" else {}
        self.folder.update(
            seconds=self._tracker.elapsed, num_attempts=1, **next_chunk, **self._peaks
        )

    def _write_thumbnails(self, start_frame: int, frame: Picture) -> None:
        if start_frame == 0:
            write_thumbnail(self.folder.thumbnail_path, frame)
        path = self.folder.chunk_thumbnail_path(start_frame)
        path.parent.mkdir(exist_ok=True)
        write_thumbnail(path, frame, max_side=CHUNK_THUMBNAIL_SIDE)
