"""Turns what the pipeline yields into the folder of a run."""

from dataclasses import dataclass, replace

from t2v.config import chunk_of, first_frame_of
from t2v.events import Chunk, Event, Notice, StepDone
from t2v.jobs.pace import Pace, Stopwatch
from t2v.jobs.run_folder import RunFolder, RunSettings
from t2v.jobs.updates import Progress, SegmentReady, Started
from t2v.media.images import Picture, hash_frames, resize, write_thumbnail
from t2v.media.segments import join_segments, write_segment


CHUNK_THUMBNAIL_SIDE = 96  # pixels


@dataclass(slots=True)
class Track:
    """One of the videos of a run, the preview or the refined one."""

    num_chunks: int
    size: tuple[int, int]  # height, width of its files
    pace: Pace
    seconds: float = 0.0  # of work: what the other video took is not in it
    left: float = 0.0  # seconds of work, as its pace has it
    progress: Progress | None = None  # None before its first step, and once it is complete


class Recorder:
    """Writes facts to the folder; keeps numbers only, nothing that grows with the video."""

    def __init__(
        self,
        folder: RunFolder,
        settings: RunSettings,
        watch: Stopwatch,
        told: set[Notice] | None = None,
    ):
        """
        Args:
            watch: of the work on this run.
            told: notices of this run, which are not told again; it is added to.
        """
        self.folder = folder
        self._told = set() if told is None else told
        self._fps = settings.fps
        self._watch = watch
        self._settings = settings
        config, refiner = settings.config, settings.refiner
        self._preview = new_track(config.num_chunks, settings.display_size)
        self._refined = None
        if config.refine:
            num_chunks = refiner.num_chunks(config.num_frames)
            self._refined = new_track(num_chunks, refiner.display_size)
        self._counted = watch.total
        folder.append(Started(config.num_chunks, config.num_frames, settings.fps))

    def record(self, event: Event) -> list[Progress]:
        """Keeps what has to be kept. Returns what is to be told: after a step, where both videos
        are, last the one that it belongs to.

        Raises:
            MediaError: the frames cannot be written.
        """
        match event:
            case StepDone():
                return self._progress(event)
            case Notice() if event not in self._told:
                self._told.add(event)
                self.folder.append(event)
            case Chunk():
                self._keep(event)
        return []

    def _progress(self, step: StepDone) -> list[Progress]:
        track, other = self._tracks(step)
        self._count(track)
        next_chunk_in, track.left = track.pace.step_done(step, track.seconds)
        track.progress = Progress(
            step.stage,
            step.chunk_index,
            track.num_chunks,
            step.step,
            step.num_steps,
            self._counted,
            next_chunk_in,
            self._eta(track, other),
            track.pace.per_step,
            step.memory,
            step.is_gpu,
            step.picture,
        )
        if other is None or other.progress is None:
            return [track.progress]
        other.progress = replace(
            other.progress,
            elapsed=self._counted,
            next_chunk_in=next_chunk_in + self._turns_until(other, track),
            eta=self._eta(other, track),
        )
        return [other.progress, track.progress]

    def _eta(self, track: Track, other: Track | None) -> float:
        if other is None:
            return track.left
        # The refined video is the last to be complete, the preview one refined chunk before.
        waits_for = other.left if track is self._refined else other.left - other.pace.per_chunk
        return track.left + max(0.0, waits_for)

    def _turns_until(self, track: Track, active: Track) -> float:
        """Seconds until a waiting video has its next chunk, from the end of the one being made."""
        refiner, chunk = self._settings.refiner, track.progress.chunk_index
        if track is self._refined:
            # It needs these frames of the preview.
            stop = refiner.chunk_frames + chunk * (refiner.chunk_frames - refiner.overlap)
            last = chunk_of(min(stop, self._settings.config.num_frames) - 1)
        else:
            # The preview is not drawn further than the refined chunk after the last needs it.
            last = refiner.num_chunks(first_frame_of(chunk) + 1) - 2
        num_others = max(0, last - active.progress.chunk_index)
        return num_others * active.pace.per_chunk + track.pace.per_chunk

    def _keep(self, chunk: Chunk) -> None:
        """Writes what belongs to a chunk, and then the line that says that all of it is there."""
        track, _ = self._tracks(chunk)
        is_refined = track is self._refined
        frames = resize(chunk.frames, track.size)
        path = self.folder.segment_path(chunk.start_frame, is_refined)
        write_segment(path, frames, fps=self._fps)
        if not is_refined:
            self.folder.memory.keep(chunk.start_frame, chunk.frames)
            self._write_thumbnails(chunk.start_frame, frames[0])
        elif chunk.refiner is not None:
            self.folder.memory.keep_refiner(chunk.refiner)
        place = chunk.stage, chunk.index, path, chunk.start_frame, len(frames)
        self.folder.append(SegmentReady(*place, hash_frames(chunk.frames)))
        self._count(track)
        track.pace.chunk_done(track.seconds)
        is_last = chunk.index + 1 >= track.num_chunks
        if track.progress is not None:
            following = {"chunk_index": chunk.index + 1, "step": 0, "picture": None}
            track.progress = None if is_last else replace(track.progress, **following)
        self.folder.update(seconds=self._counted)

    def _write_thumbnails(self, start_frame: int, frame: Picture) -> None:
        if start_frame == 0:
            write_thumbnail(self.folder.thumbnail_path, frame)
        path = self.folder.chunk_thumbnail_path(start_frame)
        path.parent.mkdir(exist_ok=True)
        write_thumbnail(path, frame, max_side=CHUNK_THUMBNAIL_SIDE)

    def _tracks(self, event: StepDone | Chunk) -> tuple[Track, Track | None]:
        """The video that an event belongs to, and the other one."""
        if event.stage == "refinement":
            return self._refined, self._preview
        return self._preview, self._refined

    def _count(self, track: Track) -> None:
        """The time since the last event was work on this video."""
        now = self._watch.total
        track.seconds += now - self._counted
        self._counted = now


def finish_video(folder: RunFolder, is_refined: bool = False) -> int:
    """Joins the chunks that are done to one file. Returns its frames; without any, no file."""
    metadata = folder.read().metadata
    path = folder.video_path(is_refined)
    return join_segments(folder.segments(is_refined), path, metadata=metadata)


def new_track(num_chunks: int, size: tuple[int, int]) -> Track:
    return Track(num_chunks, size, Pace(num_chunks, now=0.0))
