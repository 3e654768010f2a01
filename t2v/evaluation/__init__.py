"""Evaluation: metrics, the probe's attributes, and the report."""

from t2v.errors import ConfigError


MIN_PROMPTS = 4


def check_num_prompts(num_prompts: int) -> None:
    """Checks how many prompts are measured, before anything heavy is loaded.

    Raises:
        ConfigError: they are too few for an interval.
    """
    if num_prompts < MIN_PROMPTS:
        raise ConfigError(f"--prompts must be at least {MIN_PROMPTS}, got {num_prompts}")
