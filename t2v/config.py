"""Everything a video depends on, apart from the weights."""

import re
import reprlib
from dataclasses import dataclass
from math import ceil, sqrt
from typing import no_type_check

from t2v.errors import ConfigError
from t2v.prompts import Change, parse_changes, parse_prompt, shares


CHUNK_FRAMES = 16  # frames denoised together (the paper's F)
NUM_COND_FRAMES = 8  # tail of the previous chunk, read by the CAM and drawn again (F_cond)
NUM_NEW_FRAMES = CHUNK_FRAMES - NUM_COND_FRAMES
SCHEDULERS = ("ddim", "dpmsolver++", "unipc")
# How refined chunks are joined: randomized blending chunk by chunk or over the whole video at once
# (the paper's RB), shared noise alone (B+S), or not at all (B).
BLENDINGS = ("causal", "joint", "shared_noise", "independent")
ATTENTIONS = ("torch", "xformers")

MAX_PROMPT_LENGTH = 2000
LIMITS = {
    "num_chunks": (1, 10_000),
    "num_inference_steps": (1, 500),
    "guidance_scale": (1.0, 30.0),
    "seed": (0, 2**32 - 1),
    "apm_strength": (0.0, 2.0),
}
SIDES = (16, 4096)  # pixels of a frame
DRAWN_SIDES = (64, 1024)  # of a frame that is drawn
DRAWN_MULTIPLE = 64  # of which those sides are: what every network's downsampling divides
REFINER_LIMITS = {
    "num_inference_steps": (1, 500),
    "start_timestep": (1, 998),
    "chunk_frames": (2, 240),
    "overlap": (1, 120),
    "guidance_scale": (1.0, 30.0),
    "guidance_rescale": (0.0, 1.0),
}
REFINER_CHOICES = {
    # The base stack's, or that of ModelScope's refiner (pipeline/sdedit.py).
    "schedule": ("stack", "logsnr_cosine_interp"),
    "prediction_type": ("v_prediction", "epsilon", "sample"),
    "cut_rule": ("paper", "authors"),
}


@no_type_check  # it checks itself, in words for the user; the test run must not be faster
@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationConfig:
    """The same config and the same weights give the same frames.

    Raises:
        ConfigError: a value is out of range; the message names the range and the value.
    """

    prompt: str  # "0: one / 6: another" changes on the way, see prompts.py
    negative_prompt: str = ""
    num_chunks: int = 8  # the first adds 16 frames, every other one 8
    num_inference_steps: int = 50
    guidance_scale: float = 7.5  # 1 turns classifier-free guidance off
    scheduler: str = "ddim"
    seed: int = 33
    reseed: str = ""  # "6: 12 / 9: 44": other seeds from these chunks on
    apm_strength: float = 1.0  # scales SiLU(alpha_l) x_mixed; 0 is the paper's "without APM"
    use_cam: bool = True  # off: every chunk is drawn from text alone (naive continuation)
    frame_size: tuple[int, int] | None = None  # (height, width) to draw; None: as it was learnt
    refine: bool = False  # a second, sharper video from the same frames
    blending: str = "causal"  # how the refiner joins its chunks

    def __post_init__(self):
        for name in ("prompt", "negative_prompt", "reseed"):
            text = getattr(self, name)
            if not isinstance(text, str):
                raise ConfigError(f"{name} must be text, got {type(text).__name__}")
            if len(text) > MAX_PROMPT_LENGTH:
                raise ConfigError(
                    f"{name} must have at most {MAX_PROMPT_LENGTH} characters, got {len(text)}"
                )
            if not is_unicode(text):
                raise ConfigError(f"{name} must be text in UTF-8, got bytes that are none")
        if not self.prompt.strip():
            raise ConfigError("prompt must not be empty: say in a few words what to show")
        check_choices(self, {"scheduler": SCHEDULERS, "blending": BLENDINGS})
        for name in ("use_cam", "refine"):
            check_switch(self, name)
        check_numbers(self, LIMITS)
        if self.frame_size is not None:
            check_size(self, "frame_size", DRAWN_SIDES, DRAWN_MULTIPLE)
        parse_prompt(self.prompt)
        check_reseed(self.reseed)

    @property
    def prompts(self) -> tuple[Change, ...]:
        """What the prompt says, and from which chunk on."""
        return parse_prompt(self.prompt)

    def prompt_shares(self, chunk: int) -> dict[str, float]:
        """The texts that decide a chunk, and how much of it each; together 1."""
        return shares(self.prompts, chunk)

    def seed_of(self, chunk: int) -> int:
        """The seed of a chunk: the last one that was given for it or for one before it."""
        seed = self.seed
        for change in parse_changes("reseed", self.reseed) if self.reseed else ():
            if change.chunk <= chunk:
                seed = int(change.text)
        return seed

    @property
    def num_frames(self) -> int:
        """Frames of the whole video: 16, then 8 for every further chunk."""
        return first_frame_of(self.num_chunks)


@no_type_check
@dataclass(frozen=True, slots=True, kw_only=True)
class RefinerSettings:
    """How a preset's refiner runs (the paper's numbers: 600 of 1000, 30 steps, 24 frames, 8).

    Raises:
        ConfigError: a value is out of range; the message names the range and the value.
    """

    frame_size: tuple[int, int]  # height, width of a square-on preview, refined, in pixels
    display_size: tuple[int, int]  # height, width of the video files
    num_inference_steps: int
    start_timestep: int  # how far frames are noised, of 1000: less keeps more of them
    chunk_frames: int = 24  # frames denoised together
    overlap: int = 8  # frames that neighbouring chunks share (O)
    guidance_scale: float
    guidance_rescale: float = 0.0  # 1 gives guided outputs the contrast of unguided ones
    schedule: str = "stack"
    prediction_type: str = "v_prediction"
    cut_rule: str = "paper"  # see pipeline/blending.py
    scale_start: bool = False  # begin with sigma x_t, as the authors' sampler does, not with x_t

    def __post_init__(self):
        for name in ("frame_size", "display_size"):
            check_size(self, name)
        check_choices(self, REFINER_CHOICES)
        check_switch(self, "scale_start")
        check_numbers(self, REFINER_LIMITS)
        if self.num_inference_steps > self.start_timestep:
            raise ConfigError(
                f"num_inference_steps must be at most start_timestep={self.start_timestep}, "
                f"got {self.num_inference_steps}"
            )
        # A frame is shared by two chunks at most: noise and blending rely on it.
        if 2 * self.overlap > self.chunk_frames:
            raise ConfigError(
                f"overlap must be at most half of chunk_frames={self.chunk_frames}, "
                f"got {self.overlap}"
            )

    def num_chunks(self, num_frames: int) -> int:
        """Chunks of a video of that many frames."""
        num_new_frames = self.chunk_frames - self.overlap
        return 1 + ceil(max(0, num_frames - self.chunk_frames) / num_new_frames)


@no_type_check
@dataclass(frozen=True, slots=True, kw_only=True)
class Acceleration:
    """How networks run faster; frames change by rounding only.

    Raises:
        ConfigError: there is no such attention.
    """

    attention: str = "torch"  # or "xformers"; torch's where that does not load
    # When they are first called, which takes minutes. Needs weights that stay where they are: the
    # memory profile "full".
    compiled: bool = False
    channels_last: bool = False  # convolutions' numbers lie as the matrix units of GPUs want them

    def __post_init__(self):
        check_choices(self, {"attention": ATTENTIONS})
        for name in ("compiled", "channels_last"):
            check_switch(self, name)


def first_frame_of(chunk: int) -> int:
    """Where a chunk begins in the video; also how many frames the chunks before it have."""
    return CHUNK_FRAMES + NUM_NEW_FRAMES * (chunk - 1) if chunk else 0


def chunk_of(frame: int) -> int:
    """The chunk that a frame is in."""
    return max(0, (frame - CHUNK_FRAMES) // NUM_NEW_FRAMES + 1)


def fit_area(size: tuple[int, int], like: tuple[int, int], multiple: int = 1) -> tuple[int, int]:
    """Height and width in the proportions of `size`, with about as many pixels as `like`.

    Args:
        multiple: of which both sides are; 2 for video files, which have one colour per 2x2 pixels.
    """
    scale = sqrt(like[0] * like[1] / (size[0] * size[1])) / multiple
    height, width = (multiple * max(1, round(side * scale)) for side in size)
    return height, width


def check_choices(settings: object, choices: dict[str, tuple[str, ...]]) -> None:
    for name, allowed in choices.items():
        value = getattr(settings, name)
        if not isinstance(value, str) or value not in allowed:
            raise ConfigError(f"{name} must be one of {', '.join(allowed)}, got {brief(value)}")


def check_switch(settings: object, name: str) -> None:
    value = getattr(settings, name)
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be true or false, got {brief(value)}")


def check_reseed(reseed: str) -> None:
    low, high = LIMITS["seed"]
    for change in parse_changes("reseed", reseed) if reseed else ():
        is_seed = change.text.isascii() and change.text.isdigit() and len(change.text) <= 10
        if not is_seed or not low <= int(change.text) <= high or change.chunk != change.complete:
            raise ConfigError(
                f"reseed must give whole numbers from {low} to {high} like '6: 12 / 9: 44', "
                f"got {str(change)[:40]!r}"
            )


def check_size(
    settings: object, name: str, sides: tuple[int, int] = SIDES, multiple: int = 1
) -> None:
    """Height and width; a list becomes a tuple."""
    low, high = sides
    size = getattr(settings, name)
    is_pair = isinstance(size, list | tuple) and len(size) == 2
    if not is_pair or not all(
        type(side) is int and low <= side <= high and side % multiple == 0 for side in size
    ):
        range_ = f"{low} to {high}"
        allowed = f"{range_} each" if multiple == 1 else f"multiples of {multiple} from {range_}"
        raise ConfigError(f"{name} must be [height, width], {allowed}, got {brief(size)}")
    object.__setattr__(settings, name, tuple(size))


def parse_size(text: str) -> tuple[int, int]:
    """Height and width from text like 320x576; whether they are allowed is for others to say.

    Raises:
        ConfigError: it is no size.
    """
    match = re.fullmatch(r"\s*(\d{1,5})\s*x\s*(\d{1,5})\s*", text)
    if not match:
        raise ConfigError(f"frame_size must be like 256x448, height first, got {brief(text)}")
    return int(match[1]), int(match[2])


def is_unicode(text: str) -> bool:
    """Whether it can be written down: bytes of a command line that are no UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_whole(name: str, value: object, low: int, high: int) -> None:
    """
    Raises:
        ConfigError: it is no whole number in this range; 8.0 is one.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and low <= value <= high and int(value) == value):
        raise ConfigError(f"{name} must be a whole number from {low} to {high}, got {value!r}")


def check_numbers(settings: object, limits: dict[str, tuple[float, float]]) -> None:
    """Also turns 8.0 into 8 and 3 into 3.0: sliders and JSON do not know the difference."""
    for name, (low, high) in limits.items():
        value = getattr(settings, name)
        kind = type(low)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_allowed = is_number and low <= value <= high
        if not is_allowed or kind(value) != value:
            what = "a whole number" if kind is int else "a number"
            raise ConfigError(f"{name} must be {what} from {low} to {high}, got {brief(value)}")
        object.__setattr__(settings, name, kind(value))


def brief(value: object) -> str:
    """A wrong value as an error repeats it: its beginning, however large it is."""
    return reprlib.repr(value)
