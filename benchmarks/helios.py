"""The Helios row of `benchmarks.gpu`: random weights, at full size on a GPU.

Random weights change neither speed nor memory. What was not measured is null, and is named.
"""

import resource
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers.models import AutoencoderKLWan, HeliosTransformer3DModel
from torch import Tensor, nn
from transformers import UMT5Config, UMT5EncoderModel

from benchmarks.clock import Clock
from t2v.events import Chunk, LatentMemory
from t2v.models.encoders import Umt5TextEncoder
from t2v.models.helios_attention import use_prepared_text
from t2v.models.video_autoencoder import VideoAutoencoder
from t2v.pipeline.helios import stream
from t2v.pipeline.helios_stack import HeliosStack
from t2v.pipeline.offload import memory_in_use
from t2v.pipeline.vram_estimate import predict_helios_peaks
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import list_presets


SCHEDULER = {"stages": 3, "use_dynamic_shifting": True, "time_shift_type": "linear"}
SIZES: dict[str, dict[str, Any]] = {
    "full": {
        "transformer": {},
        "vae": {},
        "umt5": {
            "vocab_size": 256384,
            "d_model": 4096,
            "d_ff": 10240,
            "num_layers": 24,
            "num_heads": 64,
            "feed_forward_proj": "gated-gelu",
        },
    },
    "small": {
        "transformer": {
            "num_attention_heads": 2,
            "attention_head_dim": 12,
            "text_dim": 32,
            "ffn_dim": 40,
            "num_layers": 2,
            "rope_dim": (4, 4, 4),
        },
        "vae": {"base_dim": 2, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 0},
        "umt5": {"vocab_size": 64, "d_model": 32, "d_ff": 40, "num_layers": 1, "num_heads": 2},
    },
}


@dataclass(frozen=True, slots=True)
class HeliosPlan:
    """How large, how often, and how long a video is for its peak memory."""

    size: str
    frame_size: tuple[int, int]
    rounds: int
    most_chunks: int


HELIOS_PLANS = {
    "cuda": HeliosPlan("full", (384, 640), rounds=5, most_chunks=44),  # 1452 frames: a minute
    "cpu": HeliosPlan("small", (64, 64), rounds=2, most_chunks=4),
}


class AnyPrompt(Umt5TextEncoder):
    """Reads every prompt as the same 512 tokens: the benchmark has no tokenizer."""

    def __init__(self, model: UMT5EncoderModel):
        nn.Module.__init__(self)
        self.model = model

    def encode(self, prompts: list[str]) -> Tensor:
        tokens = torch.arange(512, device=self.model.device) % self.model.config.vocab_size
        return self.model(tokens.expand(len(prompts), -1)).last_hidden_state

    def unknown_words(self, prompt: str) -> list[str]:
        return []

    def num_cut_tokens(self, prompt: str) -> int:
        return 0


def measure_helios(plan: HeliosPlan, clock: Clock) -> dict[str, float | None]:
    """Seconds of a chunk, of the first picture and of a change of the prompt; GB at most."""
    names = ["helios_chunk_3_steps", "helios_chunk_6_steps", "helios_frames_per_second"]
    names += ["helios_first_chunk", "helios_prompt_change", "helios_peak_gb_33_frames"]
    names += [f"helios_peak_gb_{33 * plan.most_chunks}_frames"]
    result: dict[str, float | None] = dict.fromkeys(names)
    if clock.is_over("helios") or not has_room(plan, clock):
        return result
    stack = new_helios(plan, clock.device)
    config = list_presets()["helios"].config(
        prompt="any", num_chunks=10_000, num_inference_steps=3, frame_size=plan.frame_size
    )

    def first(prompt: str = "any") -> Chunk:
        one = replace(config, prompt=prompt, num_chunks=1)
        return next(event for event in stream(stack, one) if isinstance(event, Chunk))

    memory = first().memory  # and warm
    result["helios_first_chunk"] = clock.seconds(first)
    work = {
        f"helios_chunk_{steps}_steps": next_chunk(
            stack, replace(config, num_inference_steps=steps), memory
        )
        for steps in (3, 6)
    }
    result |= clock.in_turns(work, plan.rounds)
    if seconds := result["helios_chunk_3_steps"]:
        result["helios_frames_per_second"] = stack.chunking.chunk_frames / seconds
    result["helios_prompt_change"] = clock.seconds(next_chunk(stack, config, memory))
    for num_chunks in (1, plan.most_chunks):
        name = f"helios_peak_gb_{33 * num_chunks}_frames"
        if not clock.is_over(name):
            result[name] = peak_gb(stack, replace(config, num_chunks=num_chunks))
    return result


def new_helios(plan: HeliosPlan, device: torch.device) -> HeliosStack:
    """A stack with random weights, the same ones every time."""
    sizes, preset = SIZES[plan.size], list_presets()["helios"]
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    with torch.device("meta"):
        transformer = HeliosTransformer3DModel(**sizes["transformer"])
        text_model = UMT5EncoderModel(UMT5Config(**sizes["umt5"]))
        vae = AutoencoderKLWan(**sizes["vae"])
    rope = type(transformer.rope)(transformer.config["rope_dim"], transformer.config["rope_theta"])
    kept = set(transformer._keep_in_fp32_modules or ())
    for network, kind in ((transformer, dtype), (text_model, dtype), (vae, torch.float32)):
        nn.Module.to(network, kind)
        for name, parameter in network.named_parameters():
            if network is transformer and kept & set(name.split(".")):
                parameter.data = parameter.data.float()
        network.to_empty(device=device)
        rng = torch.Generator(device).manual_seed(0)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.normal_(std=0.02, generator=rng)
        network.requires_grad_(False).eval()
    transformer.rope = rope.to(device)
    use_prepared_text(transformer)
    return HeliosStack(
        name=plan.size,
        transformer=transformer,
        text_encoder=AnyPrompt(text_model),
        autoencoder=VideoAutoencoder(vae),
        scheduler_config=SCHEDULER,
        frame_size=plan.frame_size,
        chunking=preset.chunking,
    )


def next_chunk(
    stack: HeliosStack, config: GenerationConfig, memory: LatentMemory | None
) -> Callable[[], Chunk]:
    """A function that draws one more chunk of an endless video; its first call reads the prompt."""
    events = (event for event in stream(stack, config, 1, memory) if isinstance(event, Chunk))
    return lambda: next(events)


def peak_gb(stack: HeliosStack, config: GenerationConfig) -> float:
    """The most memory of a video, weights included; of a GPU, what its driver says."""
    if stack.device.type == "cuda":
        torch.cuda.empty_cache()
    for _ in stream(stack, config):
        pass
    if stack.device.type == "cuda":  # torch gives nothing back that it took for the video
        return memory_in_use(stack.device)["memory"] / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def has_room(plan: HeliosPlan, clock: Any) -> bool:
    """Whether the GPU has the memory that all networks need; if not, notes it."""
    if clock.device.type != "cuda":
        return True
    sizes = SIZES[plan.size]
    with torch.device("meta"):
        networks: dict[str, nn.Module] = {
            "transformer": HeliosTransformer3DModel(**sizes["transformer"]).bfloat16(),
            "umt5": UMT5EncoderModel(UMT5Config(**sizes["umt5"])).bfloat16(),
            "autoencoder": AutoencoderKLWan(**sizes["vae"]),
        }
    needed = predict_helios_peaks(networks, plan.frame_size, 9, 8)["full"]
    free, _ = torch.cuda.mem_get_info(clock.device)
    if free < needed:
        clock.skipped.append(f"helios: {needed / 1e9:.0f} GB are needed, {free / 1e9:.0f} are free")
    return free >= needed
