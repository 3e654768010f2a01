"""Two videos side by side, in one file."""

from contextlib import ExitStack
from pathlib import Path

from t2v.atomic import atomic_write
from t2v.errors import MediaError
from t2v.media.video import reason


# The colour space of our files, said and used.
COLOURS = ("-vf", "scale=out_color_matrix=bt709", "-colorspace", "bt709")
COLOURS = (*COLOURS, "-color_primaries", "bt709", "-color_trc", "bt709")


def write_side_by_side(left: Path, right: Path, path: Path) -> None:
    """Both at the height of the larger one, as long as the shorter one. Reads frame by frame.

    Raises:
        MediaError: one of them cannot be read, or the disk refuses the file.
    """
    from moviepy import VideoFileClip, clips_array  # takes a second

    try:
        with atomic_write(path) as part, ExitStack() as opened:
            clips = [
                opened.enter_context(VideoFileClip(str(video), audio=False))
                for video in (left, right)
            ]
            height = even(max(clip.h for clip in clips))
            seconds = min(clip.duration for clip in clips)
            sizes = [(even(clip.w * height / clip.h), height) for clip in clips]
            clips = [
                clip.resized(size).subclipped(0, seconds)
                for clip, size in zip(clips, sizes, strict=True)
            ]
            clips_array([clips]).write_videofile(
                str(part),
                codec="libx264",
                audio=False,
                threads=1,
                ffmpeg_params=["-crf", "16", "-pix_fmt", "yuv420p", "-f", "mp4", *COLOURS],
                logger=None,
            )
    except (OSError, ValueError) as error:
        raise MediaError(f"the videos cannot be put side by side: {reason(error)}") from error


def even(side: float) -> int:
    """The nearest even number: video files have one colour per 2x2 pixels."""
    return max(2, 2 * round(side / 2))
