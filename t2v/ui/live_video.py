"""A streaming player whose failure stops nothing else on the page."""

import logging
from collections import deque
from pathlib import Path

import gradio as gr


log = logging.getLogger(__name__)

NO_LONGER_LIVE = (
    "The video cannot be shown live any more: ffmpeg failed on the server. It is still being made, "
    "and appears here when it is finished."
)


def survive_ffmpeg(video: gr.Video) -> gr.Video:
    """Where ffmpeg is gone or killed the player stands still, and is said to. By itself, Gradio
    would end the call that feeds it, and with it status, timeline and buttons."""
    stream_output = video.stream_output
    failed: deque[str] = deque(maxlen=100)  # streams that show no more: a gap would mislead

    async def stream_while_possible(value: str | Path | None, output_id: str, first_chunk: bool):
        try:
            return await stream_output(
                None if output_id in failed else value, output_id, first_chunk
            )
        except Exception:
            log.exception("a segment cannot be prepared for the browser")
            failed.append(output_id)
            gr.Warning(NO_LONGER_LIVE, title="Not live")
            return await stream_output(None, output_id, first_chunk)

    video.stream_output = stream_while_possible
    return video
