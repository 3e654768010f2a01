"""What a command asks for, checked before torch is loaded: what is wrong is said at once."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from t2v.device import has_gpu
from t2v.errors import ConfigError
from t2v.evaluation.arms.catalogue import ARMS, find_arms
from t2v.evaluation.arms.helios_catalogue import why_not_on_helios
from t2v.evaluation.benchmark.suites import (
    ALL_QUICK_PROMPTS,
    QUICK_CHUNKS,
    QUICK_LENGTHS,
    Suite,
)
from t2v.json_reader import decode
from t2v.resources import bundled
from t2v.settings.conditionings import ARM_PRESET, is_trained
from t2v.settings.presets import Preset, named_preset
from t2v.worlds import world_name


FEWEST_PROMPTS = 4  # for an interval
FEWEST_CHUNKS = 3  # for another order of chunks, the control
MAX_SEEDS = 100
SEED_STEP = 1000  # between the seeds of one prompt: more than there are prompts


@dataclass(frozen=True, slots=True)
class Prompts:
    """A file of prompts, one a line."""

    name: str
    texts: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class Case:
    """One video: an arm, its length, a prompt and a seed."""

    arm: str
    num_chunks: int
    prompt: int  # its line in the file, from 0
    seed: int  # 0, 1, ... for each prompt

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.prompt:03d}-{self.seed}"

    @property
    def generator_seed(self) -> int:
        """The seed of the settings: another one for every prompt, the same for every arm."""
        return self.prompt + SEED_STEP * self.seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One suite as it will be run: its arms, lengths and prompts are settled."""

    suite: Suite
    arms: tuple[str, ...]
    num_chunks: int
    prompts: Prompts
    num_prompts: int
    num_seeds: int
    lengths: tuple[int, ...]
    left_out: tuple[str, ...] = ()  # why arms of the suite are missing, one sentence each

    def cases(self) -> Iterator[Case]:
        """Prompt by prompt, so that a stopped benchmark has whole rows of the first prompts."""
        for prompt in range(self.num_prompts):
            for seed in range(self.num_seeds):
                for arm in self.arms:
                    yield Case(arm, self.num_chunks, prompt, seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What the options of the command say of every suite.

    Args:
        num_prompts, num_chunks: None: as the suite says.
        arms: only these of the suite; empty: all that can run with the preset.
        among_all: whether all suites run, and share the time of --quick.
    """

    num_prompts: int | None = None
    num_chunks: int | None = None
    num_seeds: int = 1
    arms: tuple[str, ...] = ()
    quick: bool = False
    among_all: bool = False


def make_plan(suite: Suite, preset: Preset, prompts: Prompts, options: PlanOptions) -> Plan:
    """Settles what a suite runs.

    Raises:
        ConfigError: a number is out of range, or a named arm is not of this suite or cannot run.
    """
    num_prompts, num_chunks = options.num_prompts, options.num_chunks
    if num_prompts is None:
        quick_prompts = ALL_QUICK_PROMPTS if options.among_all else suite.quick_prompts
        num_prompts = min(quick_prompts if options.quick else suite.num_prompts, len(prompts.texts))
    if num_chunks is None:
        num_chunks = QUICK_CHUNKS if options.quick else suite.num_chunks
    check_range("--prompts", num_prompts, 1, len(prompts.texts))
    check_range("--seeds", options.num_seeds, 1, MAX_SEEDS)
    check_range("--chunks", num_chunks, FEWEST_CHUNKS, 10_000)
    check_prompts(preset, prompts, num_prompts)
    named = find_arms(options.arms, suite.arms) if options.arms else suite.arms
    missing = {name: reason for name in named if (reason := why_not(name, preset))}
    if not options.arms:
        others = (name for name in named if name not in missing)
        missing |= {name: reason for name in others if (reason := why_not_unasked(name))}
    if options.arms and missing:
        raise ConfigError(next(iter(missing.values())))
    lengths = (QUICK_LENGTHS if options.quick else suite.lengths) if suite.lengths else ()
    return Plan(
        suite=suite,
        arms=tuple(name for name in named if name not in missing),
        num_chunks=num_chunks,
        prompts=prompts,
        num_prompts=num_prompts,
        num_seeds=options.num_seeds,
        lengths=tuple(n for n in lengths if n <= preset.chunking.num_frames(num_chunks)),
        left_out=tuple(missing.values()),
    )


def check_prompts(preset: Preset, prompts: Prompts, count: int) -> None:
    """Raises ConfigError, with its line, if one of the first prompts cannot be drawn."""
    for number, text in enumerate(prompts.texts[:count], start=1):
        try:
            preset.config(prompt=text)
        except ConfigError as error:
            raise ConfigError(f"--prompts: prompt {number} of {prompts.name}: {error}") from error


def check_range(option: str, value: int, low: int, high: int) -> None:
    """Raises ConfigError if a number is out of range."""
    if not low <= value <= high:
        raise ConfigError(f"{option} must be a whole number from {low} to {high}, got {value}")


def why_not(name: str, preset: Preset) -> str:
    """Why an arm cannot run with a preset, in one sentence; empty if it can."""
    needs = ARMS[name].needs
    if needs == "world" and world_name(preset.weights_folder) is None:
        return f"arm {name} cannot run: nothing can be rendered for the preset {preset.name}"
    if ARMS[name].refined and preset.refiner_unavailable:
        return f"arm {name} cannot run: {preset.refiner_unavailable}"
    if needs == "baseline" and (reason := named_preset(ARMS[name].preset).unavailable):
        return f"arm {name} cannot run: {reason.removesuffix('.')}"
    if needs == "training" and preset.name != ARM_PRESET:
        return f"arm {name} cannot run: it is trained on the weights of {ARM_PRESET}"
    if needs == "training" and not is_trained(ARMS[name].conditioning):
        command = f"longtake train --arm {ARMS[name].conditioning}"
        return f"arm {name} cannot run: it is not trained; `{command}` trains it"
    return why_not_on_helios(name) if preset.base == "helios" else ""


def why_not_unasked(name: str) -> str:
    """Why an arm is left out unless it is asked for, in one sentence; empty if it is not."""
    arm = ARMS[name]
    if arm.preset and named_preset(arm.preset).needs_gpu and not has_gpu():
        return f"arm {name} takes very long without a GPU; --arms can name it all the same"
    return ""


def read_prompts(path: Path) -> Prompts:
    """Reads a file of prompts; empty lines do not count.

    Raises:
        ConfigError: the file cannot be read, or has no prompts.
    """
    try:
        text = decode(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is neither UTF-8 nor UTF-16"
        raise ConfigError(f"--prompts: {path} cannot be read: {reason}") from error
    texts = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not texts:
        raise ConfigError(f"--prompts: {path} has no prompts")
    if repeated := [text for text, count in Counter(texts).items() if count > 1]:
        raise ConfigError(
            f"--prompts: {path} repeats {repeated[0]!r}, and prompts count as independent; --seeds "
            "draws several videos of each"
        )
    return Prompts(path.name, texts, hashlib.sha256(text.encode()).hexdigest())


def prompts_of(preset: Preset) -> Path:
    """The bundled file of prompts for a preset: the paper's, or held-out captions of its world.

    Raises:
        ConfigError: there is none for its world.
    """
    world = world_name(preset.weights_folder)
    path = bundled() / "presets" / "prompts" / f"{world or 'paper'}-50.txt"
    if not path.is_file():
        raise ConfigError(
            f"there is no file of prompts for the world {world}: `python -m benchmarks.prompts "
            f"--world {world} --out prompts.txt` writes one for --prompts"
        )
    return path
