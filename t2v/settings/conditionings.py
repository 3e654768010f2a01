"""Other ways to condition chunks on known frames: the rivals that the paper compares its CAM with.

`longtake train --arm` trains them, all from the same base; `longtake benchmark` compares them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from t2v.errors import ConfigError
from t2v.resources import home


ARM_PRESET, ARM_WEIGHTS = "shapes", "assets/shapes"  # that all of them begin with
RECORD = "arm.json"  # in an arm's folder, written when its training is complete


@dataclass(frozen=True, slots=True)
class Conditioning:
    """How known frames reach the UNet.

    Args:
        injector: of the UNet: "attention" and "add" act on the skips, "concat" on the input.
        extractor: "copy": features of a copy of the UNet's encoder, which sees the noisy latents;
            "blind": such a copy that sees zeros instead; "latents": the known frames themselves;
            "masked": the same, some of them hidden in training; "none": all of them hidden;
            "repeated": one, for all frames.
    """

    injector: Literal["attention", "add", "concat"]
    extractor: Literal["copy", "blind", "latents", "masked", "none", "repeated"]


ConditioningName = Literal[
    "cam",
    "add-cond",
    "conc-cond",
    "sparse-cond",
    "masked-frames",
    "repeated-frame",
    "no-cond",
]
CONDITIONINGS: dict[ConditioningName, Conditioning] = {
    "cam": Conditioning("attention", "copy"),
    "add-cond": Conditioning("add", "copy"),
    "conc-cond": Conditioning("concat", "latents"),
    "sparse-cond": Conditioning("add", "blind"),
    "masked-frames": Conditioning("concat", "masked"),
    "repeated-frame": Conditioning("concat", "repeated"),
    "no-cond": Conditioning("concat", "none"),
}


def find_conditioning(name: str) -> Conditioning:
    """Finds a conditioning by its name.

    Raises:
        ConfigError: there is none.
    """
    for known, conditioning in CONDITIONINGS.items():
        if name == known:
            return conditioning
    raise ConfigError(f"--arm must be one of {', '.join(CONDITIONINGS)}, got {name!r}")


def arm_folder(name: str) -> Path:
    """Where an arm's weights are looked for. It may not exist."""
    return home() / "weights" / "arms" / name


def is_trained(name: str) -> bool:
    return (arm_folder(name) / RECORD).is_file()
