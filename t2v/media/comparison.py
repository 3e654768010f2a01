"""Two videos side by side, in one file."""

from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from t2v.atomic import atomic_write
from t2v.errors import MediaError
from t2v.media.images import Picture
from t2v.media.reader import Video
from t2v.media.video import location


BAND = (10, 12, 18)  # as the screens of the page
MIN_BAND, MIN_LETTERS = 16, 6  # pixels
# The colour space of our files, said and used.
COLOURS = [
    *("-vf", "scale=out_color_matrix=bt709"),
    *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"),
]


def write_side_by_side(
    left: Video, right: Video, path: Path, captions: tuple[str, str] | None = None
) -> None:
    """Both at the height of the larger one, as long as the shorter one. Reads frame by frame.

    What cannot be read is in the notices of the videos.

    Args:
        captions: of the two, in a band above them.

    Raises:
        MediaError: one of them cannot be read, or the disk refuses the file.
    """
    from moviepy import ImageClip, VideoClip, clips_array  # takes a second

    videos = left, right
    height = even(max(video.size[0] for video in videos))
    seconds = min(float(video.num_frames / video.fps) for video in videos)
    sizes = [(even(video.size[1] * height / video.size[0]), height) for video in videos]
    try:
        with atomic_write(path) as part, ExitStack() as opened:
            playbacks = [opened.enter_context(closing(Playback(video))) for video in videos]
            clips = [
                VideoClip(playback.at, duration=seconds).resized(size)
                for playback, size in zip(playbacks, sizes, strict=True)
            ]
            rows = [clips]
            if captions:
                bands = [
                    ImageClip(draw_caption(text, width, band_height(height)), duration=seconds)
                    for text, (width, _) in zip(captions, sizes, strict=True)
                ]
                rows = [bands, clips]
            clips_array(rows).write_videofile(
                location(part),
                fps=float(max(video.fps for video in videos)),
                codec="libx264",
                audio=False,
                threads=1,
                ffmpeg_params=["-crf", "16", "-pix_fmt", "yuv420p", "-f", "mp4", *COLOURS],
                logger=None,
            )
    except (OSError, ValueError) as error:
        # Without strerror, its text is the log of ffmpeg.
        words = getattr(error, "strerror", None) or "ffmpeg could not write the file"
        names = f"{left.path.name} and {right.path.name}"
        raise MediaError(f"{names} cannot be put side by side: {words}") from error


class Playback:
    """Shows a video at any time; it is read once if the times ascend."""

    def __init__(self, video: Video):
        self._video = video
        self._rewind()

    def close(self) -> None:
        """Ends reading; the video's notices are complete then."""
        if self._number + 1 >= self._video.num_frames:
            next(self._frames, None)  # the end, which may be missing
        self._frames.close()

    def _rewind(self) -> None:
        self._frames = self._video.frames()
        self._shown = next(self._frames)
        self._number = 0

    def at(self, seconds: float) -> Picture:
        """The frame that is seen at a time; after the last one, that stays."""
        # Times are sums of rounded steps.
        number = int(seconds * self._video.fps + 1e-6)
        if number < self._number:
            self._rewind()
        while self._number < number:
            self._shown = next(self._frames, self._shown)
            self._number += 1
        return self._shown


def band_height(height: int) -> int:
    """Height of the band with the captions, for pictures of this height, in pixels."""
    return even(max(MIN_BAND, height / 12))


def draw_caption(text: str, width: int, height: int) -> Picture:
    """A line of text in the middle of a dark band, as large as it fits."""
    band = Image.new("RGB", (width, height), BAND)
    draw = ImageDraw.Draw(band)
    size = height * 0.6
    while size > MIN_LETTERS and draw.textlength(text, ImageFont.load_default(size)) > width * 0.94:
        size -= 1
    font = ImageFont.load_default(size)
    draw.text((width / 2, height / 2), text, fill="white", font=font, anchor="mm")
    return np.asarray(band)


def even(side: float) -> int:
    """The nearest even number: video files have one colour per 2x2 pixels."""
    return max(2, 2 * round(side / 2))
