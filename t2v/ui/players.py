"""What a live player is given when there are new segments: one file, or nothing yet."""

import asyncio
from pathlib import Path

from t2v.jobs.run_folder import RunFolder
from t2v.jobs.updates import Rewound, SegmentReady, Update
from t2v.media.segments import join_segments


class SegmentPlayer:
    """Feeds a streaming player: new segments as they are, many at once joined to one.

    What it has got cannot be taken back: where chunks are made anew that it has shown,
    it `is_outdated`, and only an empty player will show what holds.
    """

    def __init__(self, scratch: Path, is_refined: bool):
        self._scratch = scratch
        self._is_refined = is_refined
        self._num_fed = 0  # frames
        self.is_outdated = False  # since the last updates

    async def play(self, updates: list[Update]) -> str | None:
        segments, self.is_outdated = [], False
        for update in updates:
            if isinstance(update, Rewound):
                kept = update.num_refined_frames if self._is_refined else update.num_frames
                self.is_outdated |= self._num_fed > kept
                self._num_fed = min(self._num_fed, kept)
            # What still holds is told again, and must not be played again.
            for segment in segments_in([update], self._is_refined):
                if segment.start_frame >= self._num_fed:
                    segments.append(segment)
                    self._num_fed = segment.start_frame + segment.num_frames
        if len(segments) < 2:
            return str(segments[0].path) if segments else None
        path = self._scratch / segments[0].path.name
        await asyncio.to_thread(join_segments, [segment.path for segment in segments], path)
        return str(path)


class GrowingPlayer:
    """Replaces the file of an ordinary player, when it has become an eighth longer."""

    is_outdated = False

    def __init__(self, folder: RunFolder, scratch: Path, is_refined: bool):
        self._folder = folder
        self._scratch = scratch
        self._is_refined = is_refined
        self._num_frames = 0

    async def play(self, updates: list[Update]) -> str | None:
        if any(isinstance(update, Rewound) for update in updates):
            self._num_frames = 0
        segments = segments_in(updates, self._is_refined)
        num_frames = segments[-1].start_frame + segments[-1].num_frames if segments else 0
        if not segments or num_frames < self._num_frames * 9 / 8:
            return None
        path = self._scratch / f"until-{segments[-1].path.name}"
        await asyncio.to_thread(join_segments, self._folder.segments(self._is_refined), path)
        self._num_frames = num_frames
        return str(path)


class NoPlayer:
    """For runs that have ended: their finished file is shown instead."""

    is_outdated = False

    async def play(self, updates: list[Update]) -> None:
        return None


def segments_in(updates: list[Update], is_refined: bool) -> list[SegmentReady]:
    """The new segments of one of the videos."""
    segments = (update for update in updates if isinstance(update, SegmentReady))
    return [segment for segment in segments if segment.is_refined == is_refined]
