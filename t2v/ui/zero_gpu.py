"""Hugging Face ZeroGPU: a GPU is lent to one call of a function at a time."""

import os
import re
from collections.abc import Callable, Generator
from typing import Any


def on_zero_gpu() -> bool:
    """Whether the app runs where GPUs are lent."""
    return bool(os.environ.get("SPACES_ZERO_GPU"))


def with_lent_gpu(draw: Callable[..., Generator], seconds: Callable[..., int]) -> Callable:
    """A generator function whose calls each run on a lent GPU; elsewhere, the function itself.

    Args:
        seconds: how long a call with the same arguments may take.
    """
    if not on_zero_gpu():
        return draw
    import spaces  # there on ZeroGPU, and nowhere else

    return with_words(spaces.GPU(draw, duration=seconds))


def with_words(draw: Callable[..., Generator]) -> Callable[..., Generator]:
    """Refusals of a GPU, which come as errors of the page, become errors of the run."""
    import gradio as gr

    from t2v.errors import JobError

    def drawn(*arguments: Any) -> Generator:
        try:
            yield from draw(*arguments)
        except gr.Error as error:
            words = re.sub(r"<[^>]*>", "", str(error.message)).strip()
            raise JobError(f"no GPU was lent: {words}") from error

    return drawn
