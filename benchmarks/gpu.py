"""Benchmark: our way and the authors' way to do the same work, in turns, with random weights.

    python -m benchmarks.gpu                  # at full size on a GPU, in less than 8 minutes;
                                              # without one a small form of it, in about 2
    python -m benchmarks.gpu | tail -1 | jq .base_ratio

A table for people, then one line of JSON. What does not fit into the time or the memory is null
there, and is named. benchmarks/authors.py says what the authors' way is.
"""

import argparse
import json
import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch

from benchmarks import authors
from benchmarks.clock import Clock
from benchmarks.helios import HELIOS_PLANS, measure_helios
from benchmarks.sizes import new_refiner, new_stack
from t2v.events import Chunk
from t2v.media.segments import write_segment
from t2v.models.autoencoder import FrameAutoencoder
from t2v.pipeline.acceleration import choose_attention, compile_networks, use_channels_last
from t2v.pipeline.loading import default_device
from t2v.pipeline.offload import memory_in_use
from t2v.pipeline.refinement import refine
from t2v.pipeline.stack import Refiner, Stack
from t2v.pipeline.streaming_t2v import Memory, stream
from t2v.settings.config import GenerationConfig, RefinerSettings
from t2v.settings.presets import list_presets


@dataclass(frozen=True, slots=True)
class Plan:
    """How large, and how often."""

    size: str  # of benchmarks/sizes.py
    frame_size: tuple[int, int]
    refined_size: tuple[int, int]
    num_steps: int
    num_refiner_steps: int
    rounds: int
    minutes: float


PLANS = {
    "cuda": Plan("full", (256, 256), (720, 720), 50, 30, rounds=5, minutes=7.5),
    "cpu": Plan("middle", (128, 128), (144, 144), 2, 2, rounds=3, minutes=2.0),
}
VARIANTS = ("sdpa", "xformers", "channels_last", "compiled")  # of our way, one on top of sdpa each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", action="store_true", help="the small form, even with a GPU")
    options = parser.parse_args()
    device = torch.device("cpu") if options.cpu else default_device()
    plan = PLANS[device.type]
    result = measure(plan, device, Clock(device, plan.minutes))
    for name, value in result.items():
        print(f"{name:44}{value:.4g}" if isinstance(value, float) else f"{name:44}{value}")
    print(json.dumps(result))


def measure(plan: Plan, device: torch.device, clock: Clock) -> dict[str, Any]:
    """All numbers; seconds where nothing else is said (of the CPU's work, if it is the device)."""
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    config = GenerationConfig(prompt="any", num_chunks=1000, num_inference_steps=plan.num_steps)
    result = {**describe(device), **{f"plan_{key}": value for key, value in vars_of(plan).items()}}
    stack = new_stack(plan.size, plan.frame_size, device, dtype)
    result |= measure_base(plan, clock, stack, config)
    result |= measure_refiner(plan, clock, stack, config)
    if device.type == "cuda":
        result |= measure_memory(clock, stack, config)
        result |= measure_variants(clock, stack, config)
        del stack  # the next one needs its room
        torch.cuda.empty_cache()
    result |= measure_helios(HELIOS_PLANS[device.type], clock)
    return result | {
        "skipped": clock.skipped,
        "seconds": clock.now() - clock.began,
    }


def measure_base(
    plan: Plan, clock: Clock, stack: Stack, config: GenerationConfig
) -> dict[str, float | None]:
    """One chunk of 8 new frames, and the first playable segment."""
    result = {"first_segment": first_segment(clock, stack, config)}
    theirs = new_stack(plan.size, plan.frame_size, stack.device, torch.float32)
    memory = new_memory(theirs)

    def draw(tf32: bool) -> None:
        with tensor_cores(tf32):
            authors.draw_next_chunk(theirs, config, 1, memory)

    work = {"base_ours": next_chunk(stack, config), "base_authors": lambda: draw(True)}
    if stack.device.type == "cuda":
        work["base_authors_without_tf32"] = lambda: draw(False)
        fast = replace(config, scheduler="dpmsolver++", num_inference_steps=plan.num_steps // 2)
        work["base_ours_half_the_steps_sde_dpm"] = next_chunk(stack, fast)
    result |= clock.in_turns(work, plan.rounds)
    result["base_ratio"] = ratio(result["base_ours"], result["base_authors"])
    result["base_ratio_without_tf32"] = ratio(
        result["base_ours"], result.get("base_authors_without_tf32")
    )
    return result


def measure_refiner(
    plan: Plan, clock: Clock, stack: Stack, config: GenerationConfig
) -> dict[str, float | None]:
    """One chunk of 24 frames, with encoding and decoding; a chunk adds 16 frames to a video."""
    paper = list_presets()["modelscope"].refiner
    settings = replace(
        paper, frame_size=plan.refined_size, num_inference_steps=plan.num_refiner_steps
    )
    ours = new_refiner(plan.size, stack, settings)
    in_float32 = FrameAutoencoder(deepcopy(stack.autoencoder.vae).float())
    theirs = replace(ours, autoencoder=in_float32)
    frames = new_frames(settings, plan.frame_size)
    work = {
        "refine_ours": lambda: refine_once(ours, config, frames),
        "refine_authors": lambda: authors.refine_chunk(theirs, config, frames),
    }
    rounds = 1 if stack.device.type == "cuda" else plan.rounds
    seconds = clock.in_turns(work, rounds)
    num_new = settings.chunk_frames - settings.overlap
    return {
        **{f"{name}_per_frame": value and value / num_new for name, value in seconds.items()},
        "refine_ratio": ratio(seconds["refine_ours"], seconds["refine_authors"]),
    }


def measure_memory(clock: Clock, stack: Stack, config: GenerationConfig) -> dict[str, float | None]:
    """GB at most, for a short and for a long video; no step more takes more."""
    result = {}
    for num_frames in (24, 240):
        name = f"peak_gb_{num_frames}_frames"
        result[name] = None
        if clock.is_over(name):
            continue
        torch.cuda.empty_cache()
        short = replace(config, num_chunks=num_frames // 8 - 1, num_inference_steps=2)
        for _ in stream(stack, short):
            pass
        # What the driver says: torch gives nothing back that it took for the video.
        result[name] = memory_in_use(stack.device)["memory"] / 1e9
    return result


def measure_variants(
    clock: Clock, stack: Stack, config: GenerationConfig
) -> dict[str, float | None]:
    """One chunk in every variant of our way; for compiled networks also how long that took."""
    result = {}
    networks = {"unet": stack.unet, "extractor": stack.extractor}
    for variant in VARIANTS:
        name = f"base_{variant}"
        result[name] = None
        if clock.is_over(name):
            continue
        draw = next_chunk(stack, config)
        if variant == "xformers":
            clock.skipped += choose_attention(networks, "xformers")
        if variant == "channels_last":
            choose_attention(networks, "torch")
            for network in networks.values():
                use_channels_last(network)
        if variant == "compiled":
            compile_networks(networks, stack.device)
            result["compile"] = clock.seconds(draw)
        result |= clock.in_turns({name: draw}, rounds=3)
    return result


def first_segment(clock: Clock, stack: Stack, config: GenerationConfig) -> float:
    """From an idle, loaded stack to the first file that a browser can play."""

    def make(folder: str) -> None:
        chunk = next(event for event in stream(stack, config) if isinstance(event, Chunk))
        write_segment(Path(folder, "0.mp4"), chunk.frames, fps=8)

    with tempfile.TemporaryDirectory() as folder:
        make(folder)
        return clock.seconds(lambda: make(folder))


def next_chunk(stack: Stack, config: GenerationConfig) -> Callable[[], Chunk]:
    """A function that draws one more chunk of an endless video."""
    events = (
        event for event in stream(stack, config, 1, new_memory(stack)) if isinstance(event, Chunk)
    )
    return lambda: next(events)


def refine_once(refiner: Refiner, config: GenerationConfig, frames: np.ndarray) -> None:
    for _ in refine(refiner, config, [frames]):
        pass


def new_memory(stack: Stack) -> Memory:
    shape = (stack.chunking.overlap, *stack.frame_size, 3)
    frames = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return Memory(cond_frames=frames, anchor_frame=frames[0])


def new_frames(settings: RefinerSettings, size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (settings.chunk_frames, *size, 3), np.uint8)


def ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours and theirs else None


@contextmanager
def tensor_cores(are_allowed: bool) -> Iterator[None]:
    """Allow or forbid the reduced precision of tensor cores (TF32) for float32.

    As the authors' code comes, torch uses it for convolutions and not for the rest. An environment
    variable may allow it for everything.
    """
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = are_allowed
    torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def vars_of(plan: Plan) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in plan.__dataclass_fields__}


def describe(device: torch.device) -> dict[str, str | int | None]:
    """Where and when this was measured."""
    is_cuda = device.type == "cuda"
    return {
        "date": date.today().isoformat(),
        "device": torch.cuda.get_device_name(device) if is_cuda else processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if is_cuda else None,
        "diffusers": diffusers.__version__,
        "python": platform.python_version(),
    }


def processor() -> str:
    """The name of the CPU, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
