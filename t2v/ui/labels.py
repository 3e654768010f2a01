"""Words of the page: labels, descriptions of presets, lengths and sizes; and text that comes in."""

from html import escape
from math import ceil
from typing import Any

import gradio as gr

from t2v.errors import ConfigError, FileError, T2VError
from t2v.runs.record import RunSettings
from t2v.settings.config import MAX_PROMPT_LENGTH, SETTINGS
from t2v.settings.declaration import brief
from t2v.settings.presets import Preset
from t2v.settings.sizes import parse_size
from t2v.settings.visible_text import one_line, visible
from t2v.settings.vocabulary import known_words
from t2v.ui.texts.catalogue import language, sentences, tr, tr_count, tr_message
from t2v.ui.texts.languages import ENGLISH


MAX_CHUNKS = int((SETTINGS["num_chunks"].range or (1, 1))[1])
ENGLISH_ONLY = "Write the prompt in English: the models read nothing else."  # not said in English
LABELS = {name: declared.label for name, declared in SETTINGS.items()} | {
    "preset": "Preset",
    "start": "Image or clip",
    "fit": "Fit",
    "write_metadata": "Write the settings into the files",
    "randomize_seed": "New seed for every video",
    "blend": "Blend",
    "chunk": "Chunk",
}


def sentence(error: T2VError) -> str:
    """An error as a sentence of the page, with its labels and a capital letter.

    It has no backticks, which toasts show as they are. The name of a file keeps its case. It is in
    the visitor's language if the catalogue has it.
    """
    text = tr_message(str(error), LABELS)
    if isinstance(error, FileError) or text != str(error):
        return text.replace("`", "")
    text = text.replace("`", "")
    first, space, rest = text.partition(" ")
    return f"{LABELS.get(first, first[:1].upper() + first[1:])}{space}{rest}"


def clean(text: Any) -> Any:
    """Text without control characters and invisible ones.

    A value that is not text, or that is far too long, stays as it is, for the settings to refuse.
    """
    if not isinstance(text, str) or len(text) > 2 * MAX_PROMPT_LENGTH:
        return text
    return one_line(text)


def escaped(value: Any) -> str:
    """A value of a run as HTML.

    Folders of runs are copied from others, so their text is not trusted.
    """
    return escape(visible(str(value)))


def duration(seconds: float) -> str:
    """3 s, 4:05 min, 2:03 h."""
    whole = round(seconds)
    if whole < 60:
        return in_seconds(whole)
    if whole < 3600:
        return tr("{n} min", n=f"{whole // 60}:{whole % 60:02d}")
    return tr("{n} h", n=f"{whole // 3600}:{whole % 3600 // 60:02d}")


def in_seconds(seconds: float, decimals: int = 0) -> str:
    """3 s; with decimals, 3.0 s."""
    return tr("{n} s", n=f"{seconds:.{decimals}f}")


def round_length(seconds: int) -> str:
    """3 s; 2 min."""
    return in_seconds(seconds) if seconds < 60 else tr("{n} min", n=seconds // 60)


def count_chunks(number: int) -> str:
    return tr_count("{n} chunk", "{n} chunks", number)


def seconds_at(settings: RunSettings, chunk: int) -> float:
    """Where a chunk starts in its video, in seconds."""
    return settings.chunking.num_frames(chunk) / settings.fps


def describe_preset(preset: Preset) -> str:
    """Markdown about a preset: what it is, what it needs and whether that is here."""
    missing = preset.unavailable
    state = (
        tr("**Not available here:** {reason}", reason=tr_message(missing))
        if missing
        else tr("**Installed.**")
    )
    title, description = tr(preset.title), tr(preset.description)
    what = tr("**{title}.** {description}", title=title, description=description)
    return f"{what}\n\n{sentences(tr_message(preset.needs), state)}"


def describe_time(seconds: float | None) -> str:
    """How long a video will take on this machine; "" if there was no such video here yet."""
    if seconds is None:
        return ""
    if seconds < 60:
        return tr("Takes about {n} s here.", n=max(1, round(seconds)))
    if seconds < 3600:
        return tr("Takes about {n} min here.", n=round(seconds / 60))
    return tr("Takes about {n} h here.", n=f"{seconds / 3600:.1f}")


def describe_memory(preset: Preset, is_refined: bool) -> str:
    """How much memory a video of the preset's own size needs; "" if that is not known."""
    needed = preset.refined_memory if is_refined else preset.memory
    if needed is None:
        return ""
    least, full = (f"{number:g}" for number in needed)
    if preset.needs_gpu:
        return tr(
            "Needs {least} GB of GPU memory, {full} GB at full speed.", least=least, full=full
        )
    return tr("Needs about {n} GB of memory.", n=full)


def preset_choice(preset: Preset) -> str:
    """Its line in the list of presets."""
    title = tr(preset.title)
    return tr("{preset} (not installed)", preset=title) if preset.unavailable else title


def describe_hint(preset: Preset) -> str:
    """What a visitor should know before writing a prompt."""
    hint = tr(preset.hint)
    return hint if language() == ENGLISH else sentences(tr(ENGLISH_ONLY), hint)


def vocabulary_html(preset: Preset) -> str:
    """The words that the preset's model knows, folded; "" where it reads every word."""
    words = known_words(preset)
    if not words:
        return ""
    title = tr("All {n} words that it reads", n=len(words))
    return f"<details><summary>{title}</summary><p>{escaped(', '.join(words))}</p></details>"


def describe_refiner(preset: Preset) -> str:
    """What the refine switch does or why it does nothing."""
    return tr_message(preset.refiner_unavailable or SETTINGS["refine"].help)


def describe_length(num_chunks: float | None, preset: Preset, max_chunks: int = MAX_CHUNKS) -> str:
    """How much video a number of chunks makes, or what is wrong with the number.

    Args:
        max_chunks: that this server allows; said where it is fewer than elsewhere.
    """
    cap = ""
    if max_chunks < MAX_CHUNKS:
        seconds = preset.chunking.num_frames(max_chunks) / preset.fps
        cap = tr(
            "Here a video may have {chunks} chunks ({time}).",
            chunks=max_chunks,
            time=round_length(int(seconds)),
        )
    chunking = preset.chunking
    if num_chunks is None:
        return tr(
            "Enter a number. The first chunk has {first} frames; each further chunk adds {more}.",
            first=chunking.chunk_frames,
            more=chunking.new_frames,
        )
    try:
        config = preset.config(prompt="any", num_chunks=num_chunks)
    except T2VError as error:
        return sentence(error)
    if config.num_chunks > max_chunks:
        return cap
    num_frames = chunking.num_frames(config.num_chunks)
    length = tr(
        "{n} frames, {seconds} s of video.", n=num_frames, seconds=f"{num_frames / preset.fps:.1f}"
    )
    return sentences(length, cap)


def length_of(num_chunks: Any, preset: Preset) -> float | None:
    """Seconds of video that a number of chunks makes; None if the number is wrong."""
    try:
        config = preset.config(prompt="any", num_chunks=num_chunks)
    except T2VError:
        return None
    return preset.chunking.num_frames(config.num_chunks) / preset.fps


def chunks_for(seconds: float, preset: Preset) -> int:
    """The fewest chunks that make at least this much video."""
    return preset.chunking.num_chunks(ceil(seconds * preset.fps))


def size_choices(preset: Preset) -> list[tuple[str, str]]:
    """The list of sizes: (text, value). The value of the preset's own size is empty."""
    others = [size_text(size) for size in preset.other_sizes]
    own = tr("{size}, the model's own", size=size_text(preset.frame_size))
    return [(own, ""), *((size, size) for size in others)]


def size_choice(preset: Preset, size: tuple[int, int] | None) -> dict[str, Any]:
    """An update of the list of sizes, with one of them chosen."""
    return gr.update(choices=size_choices(preset), value=size_text(size) if size else "")


def chosen_size(text: Any, preset: Preset) -> tuple[int, int] | None:
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


def refine_switch(preset: Preset, is_on: bool) -> dict[str, Any]:
    """An update of the refine switch, which is disabled if the preset cannot refine."""
    is_available = preset.refiner_unavailable is None
    return gr.update(
        value=is_on and is_available, interactive=is_available, info=describe_refiner(preset)
    )
