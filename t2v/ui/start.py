"""What a video begins with besides text, as the page and programs give it: an image or a clip.

An upload is read when it is chosen, so that the page shows what will be used of it, and again when
the video is asked for: a run that waits has its frames already.
"""

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block
from PIL import Image

from t2v.errors import ConfigError, T2VError
from t2v.events import Start
from t2v.media.reader import Video
from t2v.settings.presets import Preset
from t2v.starting import FITS, check_fit, read_clip, read_image
from t2v.ui.errors import warn
from t2v.ui.labels import LABELS, chosen_size, escaped, in_seconds, sentence
from t2v.ui.parameters import PRIVATE, unchanged
from t2v.ui.texts.catalogue import sentences, tr


IMAGES = (".png", ".jpg", ".jpeg", ".webp")
MAX_CLIP_SECONDS = 300  # all of a clip is decoded to reach its end
FIT_NAMES = {"crop": "Crop", "letterbox": "Letterbox (black bars)"}
IMAGE_OR_CLIP = (
    "An image becomes the first picture. A video goes on from the end of a clip: from its last "
    "{seconds} s."
)
CHOOSE_AGAIN = (
    "This video began with an image or a clip, which its settings do not hold: choose it again."
)
ONLY_CLIP = (
    "This preset goes on from the end of a clip: from its last {seconds} s. It cannot begin with "
    "an image."
)
ONLY_TEXT = "This preset draws the whole video from text. It cannot begin with an image or a clip."


@dataclass(frozen=True, kw_only=True)
class StartPanel:
    """Where an image or a clip is chosen."""

    file: gr.File
    fit: gr.Radio
    shown: gr.HTML


def build_start_panel(preset: Preset) -> StartPanel:
    """Builds the folded part of the form where an image or a clip is chosen."""
    with gr.Accordion(tr("Start from an image or a clip"), open=False, elem_id="start-panel"):
        file = gr.File(
            label=tr(LABELS["start"]),
            file_types=[*IMAGES, "video"],
            height=110,
            elem_id="start",
        )
        fit = gr.Radio(
            [(tr(FIT_NAMES[name]), name) for name in FITS],
            value=FITS[0],
            label=tr(LABELS["fit"]),
            info=tr("How a picture of another shape is made to fit."),
            elem_id="fit",
        )
        shown = gr.HTML(describe_abilities(preset), elem_id="start-shown")
    unchanged(file)
    unchanged(fit)
    return StartPanel(file=file, fit=fit, shown=shown)


class StartReader:
    """Reads uploads, one at a time: to decode one keeps a processor busy.

    Args:
        presets: by name.
    """

    def __init__(self, presets: dict[str, Preset]):
        self._presets = presets
        self._one_at_a_time = asyncio.Semaphore(1)

    async def read(
        self, upload: Any, fit: Any, preset: Preset, size: tuple[int, int]
    ) -> Start | None:
        """What a video begins with; None for text alone.

        Args:
            upload: as Gradio passes it on: its FileData, or nothing.
            fit: "crop" or "letterbox"; nothing is "crop".
            size: height, width of the video's frames.

        Raises:
            ConfigError: it is no upload, there is no such fit, or the preset cannot begin with it.
            FileError: it cannot be read.
        """
        fit = FITS[0] if fit is None else fit
        check_fit(fit)
        path = path_of(upload)
        if path is None:
            return None
        async with self._one_at_a_time:
            start, notices = await asyncio.to_thread(read_upload, path, fit, preset, size)
        warn(notices)
        return start

    async def look(self, upload: Any, fit: Any, preset_name: Any, size: Any) -> str:
        """HTML of what will be used of an upload, or why it cannot be used."""
        preset = self._presets.get(preset_name) if isinstance(preset_name, str) else None
        if preset is None:
            return ""
        try:
            drawn = chosen_size(size, preset) or preset.frame_size
            start = await self.read(upload, fit, preset, drawn)
        except T2VError as error:
            return f'<p class="problem" role="alert">{escaped(sentence(error))}</p>'
        return describe_abilities(preset) if start is None else picture_of(start, preset)


def connect_start(
    panel: StartPanel, settings: Mapping[str, Block], preset: gr.Dropdown, reader: StartReader
) -> None:
    """Shows what is used of an upload, whenever that changes."""
    size: Any = settings["size"]
    inputs: list[Any] = [panel.file, panel.fit, preset, size]
    changes = [part.change for part in inputs]
    gr.on(changes, reader.look, inputs, panel.shown, trigger_mode="always_last", **PRIVATE)


def path_of(upload: Any) -> Path | None:
    """Where Gradio keeps an upload, which it has checked to be one.

    Raises:
        ConfigError: it is something else.
    """
    if upload is None or upload == "":
        return None
    path = getattr(upload, "path", None)
    if not isinstance(path, str):
        raise ConfigError("start must be one uploaded file")
    return Path(path)


def read_upload(
    path: Path, fit: str, preset: Preset, size: tuple[int, int]
) -> tuple[Start, list[str]]:
    """Reads an image or the end of a clip; gives it with notices of how it was read."""
    if path.suffix.lower() in IMAGES:
        preset.check_image()
        return read_image(path, size, fit), []
    fewest, most = preset.find_clip_frames()
    video = Video(path)
    if video.num_frames > MAX_CLIP_SECONDS * video.fps:
        raise ConfigError(
            f"the clip to go on from may have {MAX_CLIP_SECONDS // 60} minutes: cut it to its end"
        )
    start, clip = read_clip(path, size, fit, preset.fps, most)
    if len(start.frames) < fewest:
        raise ConfigError(
            f"the clip to go on from must have at least {fewest / preset.fps:.1f} s for the "
            f"{preset.name} preset, and has {len(start.frames) / preset.fps:.1f} s"
        )
    return start, clip.notices


def describe_abilities(preset: Preset) -> str:
    """HTML of what the videos of a preset can begin with."""
    if preset.abilities.clip_frames is None:
        text = tr(ONLY_TEXT)
    else:
        seconds = f"{preset.abilities.clip_frames[0] / preset.fps:.1f}"
        text = (
            tr(IMAGE_OR_CLIP, seconds=seconds)
            if preset.takes_image
            else tr(ONLY_CLIP, seconds=seconds)
        )
    return f"<p>{escaped(text)}</p>"


def picture_of(start: Start, preset: Preset) -> str:
    """HTML of the frame that the video continues, as it was fitted."""
    if start.is_image:
        text = tr("The video begins with this picture.")
    else:
        seconds = in_seconds(len(start.frames) / preset.fps, 1)
        text = sentences(
            tr("The video goes on from this picture."),
            tr("Of the clip, the last {time} are used.", time=seconds),
        )
    png = BytesIO()
    Image.fromarray(start.frames[-1]).save(png, format="PNG")
    data = b64encode(png.getvalue()).decode()
    return f'<p>{escaped(text)}</p><img alt="" src="data:image/png;base64,{data}">'


def begins_with_text(begins_with: str) -> str:
    """What a video began with, as people read it; "" for text alone."""
    kind, _, digest = begins_with.partition(" ")
    if not kind:
        return ""
    what = tr("the end of a clip") if kind == "clip" else tr("an image")
    return f"{what} (SHA-256 {digest[:12]})"
