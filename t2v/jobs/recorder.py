"""Turns what the pipeline yields into the folder of a run."""

import time
from dataclasses import dataclass

from t2v.events import Chunk, Event, Notice, StepDone
from t2v.jobs.pace import Pace
from t2v.jobs.run_folder import RunFolder, RunSettings
from t2v.jobs.updates import Progress, SegmentReady, Started
from t2v.media.images import hash_frames, resize, write_thumbnail
from t2v.media.segments import join_segments, write_segment


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

    def __init__(self, folder: RunFolder, settings: RunSettings):
        self.folder = folder
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
            case Notice():
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
        track, _ = self._tracks(chunk)
        is_refined = track is self._refined
        frames = resize(chunk.frames, track.size)
        path = self.folder.segment_path(chunk.start_frame, is_refined)
        write_segment(path, frames, fps=self._fps)
        if chunk.start_frame == 0 and not is_refined:
            write_thumbnail(self.folder.thumbnail_path, frames[0])
        place = chunk.stage, chunk.index, path, chunk.start_frame, len(frames)
        self.folder.append(SegmentReady(*place, hash_frames(chunk.frames)))
        self._count(track)
        track.pace.chunk_done(track.seconds)

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

    def finish_video(self, is_refined: bool = False) -> int:
        """Joins the chunks that are done to one file. Returns its frames; without any, no file."""
        metadata = self.folder.read().metadata
        path = self.folder.video_path(is_refined)
        return join_segments(self.folder.segments(is_refined), path, metadata=metadata)


def new_track(num_chunks: int, size: tuple[int, int]) -> Track:
    return Track(num_chunks, size, Pace(num_chunks, now=0.0))
