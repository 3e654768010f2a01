"""What the page says of settings, runs and errors."""

import re
from typing import Any

from t2v.config import MAX_PROMPT_LENGTH
from t2v.errors import T2VError
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
