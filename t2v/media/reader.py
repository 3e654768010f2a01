"""The one reader of video files, of any program: any codec, container and clock.

video = Video(path)
for frame in video.frames():
    ...
for notice in video.notices:
    print(notice)

Frames come as they are seen (conversion.py) and at a constant rate (timing.py). All that can be
read is read, and the notices say what could not.
"""

from collections.abc import Generator, Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np

from t2v.errors import FileError, MediaError
from t2v.events import Frames
from t2v.media.conversion import Converter
from t2v.media.images import Picture
from t2v.media.scan import (
    Scan,
    check_size,
    choose_stream,
    count_declared,
    is_cut,
    look_for_frame,
    packets_of,
    scan,
    tick_of,
)
from t2v.media.timing import find_timing, in_time
from t2v.media.video import MEDIA_FAILURES, location, reason


MAX_REPEATS = 100  # places for each frame, in the mean: more, and the clock of the file is wrong
CLOCKLESS = ("avi",)  # containers whose times are made up from the order of decoding
STILLS = ("image2", "_pipe")  # ends of the names of ffmpeg's readers of pictures


class Video:
    """A video file that can be read from the start any number of times.

    Args:
        size: height and width, upright and with square pixels.
        fps: frames a second, constant.
        num_frames: of the whole video at this rate; fewer if some cannot be read.
        notices: sentences for the user: how it is read, and, once `frames` has ended, what could
            not be read.

    Raises:
        MediaError: it is no video, or none that can be read here; the message says why.
    """

    def __init__(self, path: Path):
        if not path.is_file():
            raise MediaError(f"there is no file {path.name}")
        self.path = path
        self.notices: list[str] = []
        try:
            with av.open(location(path)) as container:
                stream = choose_stream(container, path.name)
                found = scan(container, stream, path.name)
            with av.open(location(path)) as container:
                stream = choose_stream(container, path.name)
                if found.size is None:
                    look_for_frame(container, stream, found)
                self._take(container, stream, found)
        except MEDIA_FAILURES as error:
            raise FileError(f"{path.name} cannot be read as a video: {reason(error)}") from error

    def _take(
        self, container: av.container.InputContainer, stream: av.VideoStream, found: Scan
    ) -> None:
        name, num_stored = self.path.name, len(found.times)
        if found.size is None:
            codec = stream.codec_context.name
            raise FileError(f"{name} has no frames that can be decoded (codec {codec})")
        if container.format.name.endswith(STILLS) and num_stored == 1:
            raise FileError(f"{name} is a picture, and no video")
        has_clock = not found.runs_back and container.format.name not in CLOCKLESS
        times = sorted(found.times) if has_clock else found.times[:1] * num_stored
        rates = (stream.average_rate, stream.guessed_rate)
        timing = find_timing(times, tick_of(stream), rates, found.last_duration)
        if timing is None:
            raise FileError(f"{name} does not say how many frames a second it has")
        if timing.num_frames > MAX_REPEATS * (num_stored + 10):
            seconds = float(timing.num_frames / timing.rate)
            raise FileError(
                f"{name} has a clock that jumps: {num_stored} frames in {seconds:.0f} seconds"
            )
        self.size, self.fps, self.num_frames = found.size, timing.rate, timing.num_frames
        self._timing = timing
        self._num_stored = num_stored
        self._num_declared = count_declared(container, stream, found, timing.rate)
        # Of a damaged file with a constant rate, the gaps are frames, too.
        self._num_places = self.num_frames if timing.rate == stream.average_rate else 0
        self._is_cut = is_cut(self.path, container, stream.frames, found)
        if found.hdr:
            self._tell(f"has a high dynamic range ({found.hdr}); it is mapped to that of a screen")
        if found.runs_back:
            self._tell(
                "has timestamps that go backwards; "
                f"its frames are read {float(self.fps):g} a second"
            )
        elif not timing.is_even:
            self._tell(
                f"has {num_stored} frames at uneven times; it is read as {self.num_frames} frames, "
                f"{float(self.fps):g} a second"
            )

    def frames(self) -> Generator[Picture, None, None]:
        """Decodes one frame after the other.

        Raises:
            MediaError: nothing of it can be read, or its pictures change their size.
        """
        try:
            with av.open(location(self.path)) as container:
                stream = choose_stream(container, self.path.name)
                yield from in_time(self._decode(container, stream), self._timing)
        except MEDIA_FAILURES as error:
            raise FileError(f"{self.path.name} cannot be read: {reason(error)}") from error

    def pieces(self, num_frames: int) -> Iterator[Frames]:
        """Decodes so many frames at a time; the last piece may have fewer.

        Raises:
            MediaError: as `frames`.
        """
        frames = self.frames()
        while piece := list(islice(frames, num_frames)):
            yield np.stack(piece)

    def _decode(
        self, container: av.container.InputContainer, stream: av.VideoStream
    ) -> Iterator[tuple[int, Picture]]:
        """Every frame that can be decoded, with its time in ticks. Counts those that cannot."""
        tick = tick_of(stream)
        converter = Converter(tick, stream.sample_aspect_ratio)
        step = round(1 / (self.fps * tick))
        time = -(2**62)  # before any other
        num_read = num_lost = num_damaged = 0
        is_interlaced = False
        failure: av.FFmpegError | None = None
        num_expected = 0
        try:
            for packet in packets_of(container, stream):
                try:
                    frames = packet.decode()
                except av.FFmpegError as error:
                    num_lost, failure = num_lost + 1, error
                    continue
                for frame in frames:
                    known = frame.dts if frame.pts is None else frame.pts
                    time = time + step if known is None or known <= time else known
                    check_size(Scan(size=self.size), converter.size_of(frame), self.path.name)
                    num_read += 1
                    num_damaged += frame.is_corrupt or packet.is_corrupt
                    is_interlaced |= frame.interlaced_frame
                    yield time, self._convert(converter, frame)
            if not num_read:
                raise failure or FileError(f"{self.path.name} has no frames that can be decoded")
            # Half frames may be stored one by one: then there are fewer frames than packets.
            num_stored = num_read if is_interlaced else self._num_stored
            num_expected = max(self._num_declared, num_stored)
            if num_lost or num_damaged or num_read < num_expected:
                num_expected = max(num_expected, self._num_places)
            elif self._is_cut:
                self._tell(f"is cut or damaged: {num_read} frames could be read")
        finally:  # also where nobody wants the rest
            num_expected = max(num_expected, num_read + num_lost)
            if num_read < num_expected or num_damaged:
                damaged = f", {num_damaged} of them damaged" if num_damaged else ""
                self._tell(
                    f"is damaged: {num_read} of {num_expected} frames could be read{damaged}"
                )

    def _convert(self, converter: Converter, frame: av.VideoFrame) -> Picture:
        try:
            return converter.convert(frame)
        except MediaError as error:
            raise FileError(f"{self.path.name} cannot be read: {error}") from error

    def _tell(self, words: str) -> None:
        """Adds a notice, once however often the video is read."""
        notice = f"{self.path.name} {words}"
        if notice not in self.notices:
            self.notices.append(notice)


def read_frames(path: Path) -> Frames:
    """All frames at once: for short videos.

    Raises:
        MediaError: not all of them can be read.
    """
    video = Video(path)
    before = len(video.notices)
    frames = list(video.frames())
    if video.notices[before:] or not frames:
        raise FileError(video.notices[-1] if frames else f"{path.name} has no frames")
    return np.stack(frames)
