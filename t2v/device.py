"""The device: whether there is a GPU, and which preset suits it. Nothing here loads torch."""

import os
from pathlib import Path

from t2v.settings import presets
from t2v.settings.presets import Preset


def has_gpu() -> bool:
    """Whether the machine has a GPU that this process may use."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
        return False
    # NVIDIA's driver; the same in WSL; AMD's.
    return any(Path("/dev").glob("nvidia[0-9]*")) or any(
        Path("/dev", name).exists() for name in ("dxg", "kfd")
    )


def gpu_numbers() -> list[str]:
    """The numbers of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [number.strip() for number in visible.split(",") if number.strip() not in ("", "-1")]
    found = (path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))
    return sorted((number for number in found if number.isdigit()), key=int)


def default_preset() -> tuple[Preset, str]:
    """The preset to start with, and the reason for the page, in one or two sentences.

    `modelscope`, the paper's stack, where its weights and a GPU are; else `storybook`.
    """
    paper = presets.list_presets().get("modelscope")
    if paper and not paper.unavailable and has_gpu():
        return paper, "The paper's own model is used: it is installed, and there is a GPU."
    reason = "The storybook model is used: it is bundled and runs on any machine."
    if paper and not paper.unavailable:
        reason += " The paper's own model is installed, but there is no GPU to run it on."
    elif paper and has_gpu():
        reason += f" `{paper.download_command}` gets the paper's own model."
    return presets.find_preset("storybook"), reason
