"""What the page says of settings, runs and errors."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from t2v.config import MAX_PROMPT_LENGTH, brief, parse_size
from t2v.errors import ConfigError, T2VError
from t2v.jobs.run_folder import RunRecord
from t2v.presets import Preset


BREAKS = re.compile(r"[\r\n\t]")
CONFUSING = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
LABELS = {  # names of settings, as people see them
    "prompt": "Prompt",
    "negative_prompt": "Negative prompt",
    "preset": "Preset",
    "num_chunks": "Chunks",
    "apm_strength": "APM strength",
    "seed": "Seed",
    "num_inference_steps": "Denoising steps",
    "guidance_scale": "Guidance scale",
    "scheduler": "Scheduler",
    "use_cam": "CAM",
    "refine": "Refine",
    "blending": "Blending",
    "reseed": "Later seeds",
    "frame_size": "Size",
    "blend": "Blend",
    "chunk": "Chunk",
    "write_metadata": "Write the settings into the files",
}


def summary(record: RunRecord) -> dict[str, Any]:
    """A run in plain values, without paths of this machine."""
    return {
        "id": record.id,
        "state": record.state,
        "message": record.message,
        "created": record.created,
        "version": record.version,
        "num_frames": record.num_frames,
        "num_refined_frames": record.num_refined_frames,
        "video_seconds": record.num_frames / record.settings.fps,
        "seconds": round(record.seconds, 3),
        "is_favourite": record.is_favourite,
        "settings": record.settings.to_json(),
    }


def describe_preset(preset: Preset) -> str:
    """Markdown about a preset: what it is, what it needs and whether that is here."""
    missing = preset.unavailable
    state = f"**Not available here:** {missing}" if missing else "**Installed.**"
    return f"**{preset.title}.** {preset.description}\n\n{preset.needs} {state}"


def preset_choice(preset: Preset) -> str:
    """Its line in the list of presets."""
    return f"{preset.title} (not installed)" if preset.unavailable else preset.title


def size_choices(preset: Preset) -> list[tuple[str, str]]:
    """What the list of sizes offers: the words, and the value, which is empty for the own size."""
    others = [size_text(size) for size in preset.other_sizes]
    own = f"{size_text(preset.frame_size)}, the model's own"
    return [(own, ""), *((size, size) for size in others)]


def size_choice(preset: Preset, size: tuple[int, int] | None) -> dict[str, Any]:
    """An update of the list of sizes, with one of them chosen."""
    return gr.update(choices=size_choices(preset), value=size_text(size) if size else "")


def chosen_size(text, preset: Preset) -> tuple[int, int] | None:
    """The size that was chosen; None for the preset's own.

    Raises:
        ConfigError: it is no size.
    """
    if text in ("", None, size_text(preset.frame_size)):
        return None
    if not isinstance(text, str):
        raise ConfigError(f"frame_size must be text like 256x448, got {brief(text)}")
    return parse_size(text)


def size_text(size: tuple[int, int]) -> str:
    """Height and width, as `parse_size` reads them."""
    return f"{size[0]}x{size[1]}"


def describe_refiner(preset: Preset) -> str:
    """What the switch does or, where it does nothing, why."""
    return preset.refiner_unavailable or (
        "A second, sharper video follows the first while it is being made."
    )


def clean(text):
    """Text without characters that only confuse: controls, and halves of pairs. What is no text
    or far too long stays as it is, for the settings to refuse."""
    if not isinstance(text, str) or len(text) > 2 * MAX_PROMPT_LENGTH:
        return text
    return CONFUSING.sub("", BREAKS.sub(" ", text))


def sentence(error: T2VError) -> str:
    """The words of an error as a sentence of the page: with its labels, a capital letter, and
    without the marks of Markdown, which toasts do not know."""
    first, _, rest = str(error).replace("`", "").partition(" ")
    return f"{LABELS.get(first, first[:1].upper() + first[1:])} {rest}"


@contextmanager
def errors_shown() -> Iterator[None]:
    """Shows the errors that are worded for people on the page; all others are faults of ours."""
    try:
        yield
    except T2VError as error:
        raise gr.Error(sentence(error), print_exception=False) from error
