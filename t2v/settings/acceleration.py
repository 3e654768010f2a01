"""How networks run faster, or smaller."""

from dataclasses import dataclass
from typing import no_type_check

from t2v.settings.declaration import check_settings, setting


ATTENTIONS = ("torch", "xformers")


@no_type_check  # `__post_init__` raises user-facing errors; beartype must not come before them
@dataclass(frozen=True, slots=True, kw_only=True)
class Acceleration:
    """How networks run faster, or smaller; frames change by rounding only.

    Raises:
        ConfigError: there is no such attention.
    """

    attention: str = setting(
        "torch",
        kind="choice",
        label="Attention",
        help="The attention kernels: torch, or xformers where it can be loaded.",
        choices=ATTENTIONS,
        surfaces=("cli",),
    )
    # Needs weights that stay where they are: the memory profile "full".
    compiled: bool = setting(
        False,
        kind="switch",
        label="Compile",
        help="Compile the networks: minutes before the first chunk, then faster chunks.",
        surfaces=("cli",),
        option="--compile",
    )
    channels_last: bool = setting(
        False,
        kind="switch",
        label="Channels last",
        help="Use the memory layout that the matrix units of GPUs prefer.",
        surfaces=("cli",),
    )

    eight_bit: bool = setting(
        False,
        kind="switch",
        label="8-bit weights",
        help="Helios: round the transformer's weights to 8 bits, which halves them.",
        surfaces=("cli",),
        option="--8-bit",
    )

    # Several processes, see pipeline/context_parallel.py: only `longtake generate` can be that.
    context_parallel: bool = setting(
        False,
        kind="switch",
        label="Context parallel",
        help="Helios: several GPUs share every step.",
        surfaces=(),
    )

    def __post_init__(self) -> None:
        check_settings(self)


NO_ACCELERATION = Acceleration()
