"""Live players: which file each is given when there are new segments."""

import asyncio
import logging
from collections import deque
from itertools import takewhile
from pathlib import Path
from typing import Any

import gradio as gr

from t2v.events import Track
from t2v.media.mp4 import is_whole_mp4
from t2v.media.segments import join_segments
from t2v.runs.events import Rewound, RunEvent, SegmentReady
from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_segments
from t2v.ui.texts.catalogue import tr


log = logging.getLogger(__name__)

NO_LONGER_LIVE = (
    "The video cannot be shown live any more: ffmpeg failed on the server. It is still being made "
    "and appears here when it is finished."
)


class SegmentPlayer:
    """Feeds a streaming player: one new segment as it is, several joined into one file.

    A streaming player cannot take frames back. When the run is rewound behind what it has shown,
    it `is_outdated`, and only an empty player can show what is valid.
    """

    def __init__(self, scratch: Path, track: Track):
        self._scratch = scratch
        self._track = track
        self._num_fed = 0  # frames
        self.is_outdated = False  # since the last events

    async def play(self, events: list[RunEvent]) -> str | None:
        new: list[SegmentReady] = []
        self.is_outdated = False
        for event in events:
            if isinstance(event, Rewound):
                is_refined = self._track == "refined"
                kept = event.num_refined_frames if is_refined else event.num_frames
                self.is_outdated |= self._num_fed > kept
                self._num_fed = min(self._num_fed, kept)
            # After a rewind the log repeats the segments that are still valid.
            for segment in segments_in([event], self._track):
                if segment.start_frame >= self._num_fed:
                    new.append(segment)
                    self._num_fed = segment.start_frame + segment.num_frames
        if len(new) < 2:
            return str(new[0].path) if new else None
        path = self._scratch / new[0].path.name
        whole = takewhile(is_whole_mp4, (segment.path for segment in new))
        return str(path) if await asyncio.to_thread(join_segments, whole, path) else None


class GrowingPlayer:
    """Replaces the file of an ordinary player whenever the video is an eighth longer."""

    is_outdated = False

    def __init__(self, folder: RunFolder, scratch: Path, track: Track):
        self._folder = folder
        self._scratch = scratch
        self._track = track
        self._num_frames = 0

    async def play(self, events: list[RunEvent]) -> str | None:
        if any(isinstance(event, Rewound) for event in events):
            self._num_frames = 0
        segments = segments_in(events, self._track)
        num_frames = segments[-1].start_frame + segments[-1].num_frames if segments else 0
        if not segments or num_frames < self._num_frames * 9 / 8:
            return None
        path = self._scratch / f"until-{segments[-1].path.name}"
        await asyncio.to_thread(self._join, path)
        self._num_frames = num_frames
        return str(path)

    def _join(self, path: Path) -> None:
        join_segments(takewhile(is_whole_mp4, iter_segments(self._folder, self._track)), path)


class NoPlayer:
    """For runs that have ended: their finished file is shown instead."""

    is_outdated = False

    async def play(self, _events: list[RunEvent]) -> str | None:
        return None


Player = SegmentPlayer | GrowingPlayer | NoPlayer


def segments_in(events: list[RunEvent], track: Track) -> list[SegmentReady]:
    """The new segments of one track."""
    segments = (event for event in events if isinstance(event, SegmentReady))
    return [segment for segment in segments if segment.track == track]


def survive_ffmpeg(video: gr.Video) -> gr.Video:
    """Keeps the rest of the page alive if ffmpeg is missing or killed.

    The player stops and a toast says so. Gradio itself would end the call that also feeds status,
    timeline and buttons.
    """
    stream_output = video.stream_output
    failed: deque[str] = deque(maxlen=100)  # streams that stay stopped: a gap would mislead

    async def stream_while_possible(value: Any, output_id: str, first_chunk: bool) -> Any:
        try:
            return await stream_output(
                None if output_id in failed else value, output_id, first_chunk
            )
        except Exception:
            log.exception("a segment cannot be prepared for the browser")
            failed.append(output_id)
            gr.Warning(tr(NO_LONGER_LIVE), title=tr("Not live"))
            return await stream_output(None, output_id, first_chunk)

    video.stream_output = stream_while_possible  # type: ignore[method-assign]  # no hook for this
    return video
