"""Turns what the pipeline yields into the folder of a run."""

import time
from dataclasses import dataclass

from t2v.events import Chunk, Event, Notice, StepDone
from t2v.jobs.pace import Pace
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


class Recorder:
    """Writes facts to the folder; keeps numbers only, nothing that grows with the video."""

    def __init__(self, folder: RunFolder, settings: RunSettings, told: set[Notice] | None = None):
        """
        Args:
            told: notices of this run, which are not told again; it is added to.
        """
        self.folder = folder
        self._told = set() if told is None else told
        self._fps = settings.fps
        config, refiner = settings.config, settings.refiner
        self._preview = new_track(config.num_chunks, settings.display_size)
        self._refined = None
        if config.refine:
            num_chunks = refiner.num_chunks(config.num_frames)
            self._refined = new_track(num_chunks, refiner.display_size)
        self._began = self._counted = time.monotonic()
        folder.append(Started(config.num_chunks, config.num_frames, settings.fps))

    def record(self, event: Event) -> Progress | None:
        """Keeps what has to be kept; a step becomes a Progress to be told.

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
        return None

    def _progress(self, step: StepDone) -> Progress:
        track, other = self._tracks(step)
        self._count(track)
        _, next_chunk_in, track.left = track.pace.step_done(step, track.seconds)
        eta = track.left
        if other is not None:
            # The refined video is the last to be complete, the preview one refined chunk before.
            waits_for = other.left if track is self._refined else other.left - other.pace.per_chunk
            eta += max(0.0, waits_for)
        return Progress(
            step.stage,
            step.chunk_index,
            track.num_chunks,
            step.step,
            step.num_steps,
            self._counted - self._began,
            next_chunk_in,
            eta,
        )

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
        now = time.monotonic()
        track.seconds += now - self._counted
        self._counted = now


def finish_video(folder: RunFolder, is_refined: bool = False) -> int:
    """Joins the chunks that are done to one file. Returns its frames; without any, no file."""
    metadata = folder.read().metadata
    path = folder.video_path(is_refined)
    return join_segments(folder.segments(is_refined), path, metadata=metadata)


def new_track(num_chunks: int, size: tuple[int, int]) -> Track:
    return Track(num_chunks, size, Pace(num_chunks, now=0.0))
