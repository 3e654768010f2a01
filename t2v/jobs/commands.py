"""What can be asked of a run, as other settings of it. Which chunks hold is not decided here."""

from dataclasses import replace

from t2v.config import LIMITS, check_whole
from t2v.errors import ConfigError, JobError
from t2v.jobs.run_folder import RunSettings
from t2v.prompts import change_from, parse_changes


MAX_BLEND = 100  # chunks


def extended(settings: RunSettings, num_chunks: float) -> RunSettings:
    """The same video with more chunks.

    Raises:
        ConfigError: not a number of chunks, or too many in all.
    """
    check_whole("num_chunks", num_chunks, 1, LIMITS["num_chunks"][1])
    return with_config(settings, num_chunks=settings.config.num_chunks + int(num_chunks))


def steered(settings: RunSettings, chunk: int, prompt: str, blend: float = 0) -> RunSettings:
    """Another prompt from a chunk on.

    Args:
        blend: how many chunks mix the old and the new prompt.

    Raises:
        ConfigError: there is no text, or no such blend.
    """
    check_whole("blend", blend, 0, MAX_BLEND)
    if not isinstance(prompt, str) or not prompt.strip():
        raise ConfigError("prompt must not be empty: say in a few words what to show")
    changed = change_from(settings.config.prompts, chunk, prompt, int(blend))
    return with_config(settings, prompt=changed)


def redone(
    settings: RunSettings, chunk: int, seed: float | None = None, prompt: str | None = None
) -> RunSettings:
    """Another seed, prompt or both from a chunk on.

    Raises:
        ConfigError: they are out of range.
        JobError: there is neither: the same chunk would come again.
    """
    if seed is None and prompt is None:
        raise JobError("a chunk is made anew with another seed or another prompt; name one")
    if prompt is not None:
        settings = steered(settings, chunk, prompt)
    if seed is None:
        return settings
    check_whole("seed", seed, *LIMITS["seed"])
    if chunk == 0:
        return with_config(settings, seed=int(seed), reseed="")
    reseed = settings.config.reseed
    changes = parse_changes("reseed", reseed) if reseed else ()
    return with_config(settings, reseed=change_from(changes, chunk, str(int(seed))))


def with_config(settings: RunSettings, **changes) -> RunSettings:
    return replace(settings, config=replace(settings.config, **changes))
