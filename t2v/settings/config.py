"""Everything a video depends on, apart from the weights."""

from dataclasses import MISSING, dataclass
from typing import Any, no_type_check

from t2v.errors import ConfigError
from t2v.settings.chunking import Chunking
from t2v.settings.declaration import check_settings, setting, settings_of
from t2v.settings.prompt_schedule import Keyframe, parse_changes, parse_prompt, shares
from t2v.settings.sizes import DRAWN_MULTIPLE, DRAWN_SIDES, SIDES


SCHEDULERS = ("ddim", "dpmsolver++", "unipc")
# How refined chunks are joined: randomized blending chunk by chunk or over the whole video at once
# (the paper's RB), shared noise alone (B+S), or not at all (B).
BLENDINGS = ("causal", "joint", "shared_noise", "independent")

MAX_PROMPT_LENGTH = 2000
MAX_SEED = 2**32 - 1


@no_type_check  # `__post_init__` raises user-facing errors; beartype must not come before them
@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationConfig:
    """The settings of one video. The same config and the same weights give the same frames.

    Raises:
        ConfigError: a value is out of range; the message names the range and the value.
    """

    prompt: str = setting(
        kind="text",
        label="Prompt",
        help="What the video shows. '0: a red car / 6: a blue car' changes the prompt at chunk 6; "
        "'6-9:' blends it in over chunks 6 to 9. Chunks count from 0.",
        max_length=MAX_PROMPT_LENGTH,
        placeholder="What should the video show?",
        is_advanced=False,
    )
    negative_prompt: str = setting(
        "",
        kind="text",
        label="Negative prompt",
        help="What the video should not show. It is not used at guidance scale 1.",
        max_length=MAX_PROMPT_LENGTH,
        placeholder="What should the video not show?",
    )
    num_chunks: int = setting(
        8,
        kind="whole",
        label="Chunks",
        help="Length of the video. The first chunk has 16 frames; each further chunk adds 8.",
        range=(1, 10_000),
        option="--chunks",
        is_advanced=False,
    )
    num_inference_steps: int = setting(
        50,
        kind="whole",
        label="Denoising steps",
        help="Denoising steps per chunk. More steps take longer.",
        range=(1, 500),
        option="--steps",
    )
    guidance_scale: float = setting(
        7.5,
        kind="number",
        label="Guidance scale",
        help="How closely the video follows the prompt. 1 turns guidance off, which is faster.",
        range=(1.0, 30.0),
    )
    scheduler: str = setting(
        "ddim", kind="choice", label="Scheduler", help="The sampler.", choices=SCHEDULERS
    )
    seed: int = setting(
        33,
        kind="whole",
        label="Seed",
        help="The same seed and settings give the same video.",
        range=(0, MAX_SEED),
        is_advanced=False,
    )
    reseed: str = setting(
        "",
        kind="text",
        label="Seed changes",
        help="Other seeds from given chunks on, for example 6: 12 / 9: 44.",
        max_length=MAX_PROMPT_LENGTH,
        placeholder="6: 12 / 9: 44",
    )
    apm_strength: float = setting(
        1.0,
        kind="number",
        label="APM strength",
        help="Long-term memory: how strongly each chunk keeps the look of the first. 0 turns the "
        "Appearance Preservation Module off.",
        range=(0.0, 2.0),
        is_advanced=False,
    )
    use_cam: bool = setting(
        True,
        kind="switch",
        label="CAM",
        help="Short-term memory: each chunk continues the one before it. Without the Conditional "
        "Attention Module, each chunk is drawn from text alone.",
        option="--no-cam",
    )
    history_length: int = setting(
        19,
        kind="whole",
        label="History",
        help="Short-term memory of Helios: how many latents of the past each chunk sees, of about "
        "4 frames each. 0: each chunk is drawn from text (and anchor) alone, as without CAM.",
        range=(0, 19),
        is_advanced=False,
    )
    use_anchor: bool = setting(
        True,
        kind="switch",
        label="Anchor",
        help="Long-term memory of Helios: each chunk sees the first frame of the video, as with "
        "the APM.",
        option="--no-anchor",
        is_advanced=False,
    )
    # (height, width) to draw; None: as the model learned it
    frame_size: tuple[int, int] | None = setting(
        None,
        kind="size",
        label="Size",
        help="Height x width of the frames. The model works best at its own size.",
        range=DRAWN_SIDES,
        multiple=DRAWN_MULTIPLE,
        option="--size",
    )
    refine: bool = setting(
        False,
        kind="switch",
        label="Refine",
        help="Also make a second, sharper video.",
        is_advanced=False,
    )
    blending: str = setting(
        "causal",
        kind="choice",
        label="Blending",
        help="How refined chunks are joined. Causal is seamless and uses constant memory; joint "
        "is the paper's, over the whole video at once.",
        choices=BLENDINGS,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.prompt.strip():
            raise ConfigError("prompt must not be empty: say in a few words what to show")
        parse_prompt(self.prompt)
        check_reseed(self.reseed)

    @property
    def prompts(self) -> tuple[Keyframe, ...]:
        """The prompt schedule: each prompt and the chunk it starts at."""
        return parse_prompt(self.prompt)

    def prompt_shares(self, chunk: int) -> dict[str, float]:
        """The prompts that a chunk is drawn from, each with its weight; together 1."""
        return shares(self.prompts, chunk)

    def seed_of(self, chunk: int) -> int:
        """The seed of a chunk: the last one given for it or for a chunk before it."""
        seed = self.seed
        for change in parse_changes("reseed", self.reseed) if self.reseed else ():
            if change.chunk <= chunk:
                seed = int(change.text)
        return seed


SETTINGS = settings_of(GenerationConfig)


def refiner_setting(default: Any = MISSING, **declaration: Any) -> Any:
    """A setting of a preset's refiner: no surface shows it."""
    return setting(default, **({"label": "", "help": "", "surfaces": ()} | declaration))


@no_type_check
@dataclass(frozen=True, slots=True, kw_only=True)
class RefinerSettings:
    """How a preset's refiner runs (the paper's numbers: 600 of 1000, 30 steps, 24 frames, 8).

    Raises:
        ConfigError: a value is out of range; the message names the range and the value.
    """

    # (height, width) in pixels: of a square preview when it is refined, and of the video files
    frame_size: tuple[int, int] = refiner_setting(kind="size", range=SIDES)
    display_size: tuple[int, int] = refiner_setting(kind="size", range=SIDES)
    num_inference_steps: int = refiner_setting(kind="whole", range=(1, 500))
    # How far frames are noised, of 1000: less keeps more of them.
    start_timestep: int = refiner_setting(kind="whole", range=(1, 998))
    chunk_frames: int = refiner_setting(24, kind="whole", range=(2, 240))
    overlap: int = refiner_setting(8, kind="whole", range=(1, 120))  # the paper's O
    guidance_scale: float = refiner_setting(kind="number", range=(1.0, 30.0))
    # 1 gives guided outputs the contrast of unguided ones.
    guidance_rescale: float = refiner_setting(0.0, kind="number", range=(0.0, 1.0))
    # The base stack's, or that of ModelScope's refiner (pipeline/sdedit.py).
    schedule: str = refiner_setting(
        "stack", kind="choice", choices=("stack", "logsnr_cosine_interp")
    )
    prediction_type: str = refiner_setting(
        "v_prediction", kind="choice", choices=("v_prediction", "epsilon", "sample")
    )
    cut_rule: str = refiner_setting("paper", kind="choice", choices=("paper", "authors"))
    # Begin with sigma x_t, as the authors' sampler does, not with x_t.
    scale_start: bool = refiner_setting(False, kind="switch")

    def __post_init__(self) -> None:
        check_settings(self)
        if self.num_inference_steps > self.start_timestep:
            raise ConfigError(
                f"num_inference_steps must be at most start_timestep={self.start_timestep}, "
                f"got {self.num_inference_steps}"
            )
        # At most two chunks share a frame: noise and blending rely on it.
        if 2 * self.overlap > self.chunk_frames:
            raise ConfigError(
                f"overlap must be at most half of chunk_frames={self.chunk_frames}, "
                f"got {self.overlap}"
            )

    @property
    def chunking(self) -> Chunking:
        return Chunking(self.chunk_frames, self.overlap)

    def num_chunks(self, num_frames: int) -> int:
        """Chunks of a video of that many frames."""
        return self.chunking.num_chunks(num_frames)


def check_reseed(reseed: str) -> None:
    low, high = SETTINGS["seed"].range or (0, MAX_SEED)
    for change in parse_changes("reseed", reseed) if reseed else ():
        is_seed = change.text.isascii() and change.text.isdigit() and len(change.text) <= 10
        if not is_seed or not low <= int(change.text) <= high or change.chunk != change.complete:
            raise ConfigError(
                f"reseed must give whole numbers from {low} to {high} like '6: 12 / 9: 44', "
                f"got {str(change)[:40]!r}"
            )
