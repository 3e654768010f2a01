"""`odd`, a preset that can run here: its networks are small and random."""

from pathlib import Path
from typing import Any

from t2v.settings.presets import Preset


def install_odd_preset(folder: Path, **changes: Any) -> Preset:
    """The preset, with a folder that looks as if its weights were installed."""
    (folder / "weights" / "unet").mkdir(parents=True)
    if "refiner" in changes:
        (folder / "weights" / "refiner").mkdir()
        (folder / "weights" / "refiner" / "config.json").write_text("{}")
    values: dict[str, Any] = {
        "name": "odd",
        "title": "Odd: for tests",
        "description": "Random weights.",
        "weights": str(folder / "weights"),
        "frame_size": (20, 28),
        "display_size": (40, 56),
        "fps": 7,
        "examples": ("a red star",),
        "defaults": {"num_chunks": 3, "num_inference_steps": 2, "scheduler": "unipc"},
    }
    return Preset(**values | changes)
