"""Edits of a run's settings. Which chunks are already done is not decided here."""

from dataclasses import replace
from typing import Any

from t2v.errors import ConfigError, RunError
from t2v.runs.record import RunSettings
from t2v.settings.config import SETTINGS, RefinerSettings
from t2v.settings.declaration import brief
from t2v.settings.prompt_schedule import change_from, parse_changes


MAX_BLEND = 100  # chunks


def add_chunks(settings: RunSettings, num_chunks: float) -> RunSettings:
    """Settings of a video with more chunks.

    Raises:
        ConfigError: not a number of chunks, or too many in all.
    """
    check_whole_number("num_chunks", num_chunks, 1, range_of("num_chunks")[1])
    return with_config(settings, num_chunks=settings.config.num_chunks + int(num_chunks))


def set_prompt(settings: RunSettings, chunk: int, prompt: str, blend: float = 0) -> RunSettings:
    """Another prompt from a chunk on.

    Args:
        blend: over how many chunks the old prompt fades into the new one.

    Raises:
        ConfigError: there is no text, or no such blend.
    """
    check_whole_number("blend", blend, 0, MAX_BLEND)
    if not isinstance(prompt, str) or not prompt.strip():
        raise ConfigError("prompt must not be empty: say in a few words what to show")
    schedule = change_from(settings.config.prompts, chunk, prompt, int(blend))
    return with_config(settings, prompt=schedule)


def set_seed_and_prompt(
    settings: RunSettings, chunk: int, seed: float | None = None, prompt: str | None = None
) -> RunSettings:
    """Another seed, prompt or both from a chunk on.

    Raises:
        ConfigError: they are out of range.
        RunError: there is neither: the same chunk would result.
    """
    if seed is None and prompt is None:
        raise RunError("to redo a chunk, give another seed or another prompt")
    if prompt is not None:
        settings = set_prompt(settings, chunk, prompt)
    if seed is None:
        return settings
    check_whole_number("seed", seed, *range_of("seed"))
    if chunk == 0:
        return with_config(settings, seed=int(seed), reseed="")
    reseed = settings.config.reseed
    changes = parse_changes("reseed", reseed) if reseed else ()
    return with_config(settings, reseed=change_from(changes, chunk, str(int(seed))))


def add_refiner(settings: RunSettings, refiner: RefinerSettings, num_chunks: int) -> RunSettings:
    """The first chunks of a video, refined: the settings that make both from the start.

    Raises:
        RunError: the video is refined already, or there is nothing of it.
        ConfigError: its blending is joint, which cannot resume.
    """
    if settings.config.refine:
        raise RunError("this video is refined already")
    if not num_chunks:
        raise RunError("there is no finished chunk yet that could be refined")
    if settings.config.blending == "joint":
        raise ConfigError(
            "blending must not be joint to refine a video afterwards: use `longtake refine`"
        )
    return replace(with_config(settings, refine=True, num_chunks=num_chunks), refiner=refiner)


def with_config(settings: RunSettings, **changes: Any) -> RunSettings:
    return replace(settings, config=replace(settings.config, **changes))


def range_of(name: str) -> tuple[int, int]:
    """The lowest and the highest value of a setting that is a whole number."""
    declared = SETTINGS[name].range
    if declared is None:
        raise KeyError(f"{name} has no range")
    return int(declared[0]), int(declared[1])


def check_whole_number(name: str, value: Any, low: int, high: int) -> None:
    """Checks one whole number.

    Raises:
        ConfigError: it is no whole number in this range; 8.0 is one.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and low <= value <= high and int(value) == value):
        raise ConfigError(f"{name} must be a whole number from {low} to {high}, got {brief(value)}")
