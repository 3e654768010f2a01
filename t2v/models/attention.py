"""Attention: the kernels behind every layer, and keys and values of the text.

Keys and values of the text depend neither on the timestep nor on the noise nor on the frame. They
are computed once per video, into a TextContext, which takes the place of the text embeddings in
diffusers' blocks. The APM mixes before that (apm.py), so no backend can leave it out.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from diffusers.models.attention_processor import Attention
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from t2v.errors import ConfigError


Queries = Float[Tensor, "b m s d"]
Keys = Float[Tensor, "b m n d"]
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class TextContext:
    """Keys and values of a batch of prompts, for every layer of one model that attends to text."""

    keys_values: Mapping[Attention, tuple[Tensor, Tensor]]  # "b n d" each
    pooled: Tensor | None = None  # "b d", for models with a frame embedding

    @classmethod
    def of_layers(
        cls,
        layers: Iterable[Attention],
        prompt_embeds: Float[Tensor, "b n d"],
        mixed: Iterable[Tensor] | None = None,
    ) -> "TextContext":
        """Computes the keys and values of each layer.

        Args:
            mixed: what each layer attends to instead of the embeddings: x_cross of the APM.
        """
        layers = list(layers)
        sources = [prompt_embeds] * len(layers) if mixed is None else mixed
        keys_values = {
            layer: (layer.to_k(source), layer.to_v(source))
            for layer, source in zip(layers, sources, strict=True)
        }
        return cls(keys_values, pool_text(prompt_embeds))

    @property
    def batch_size(self) -> int:
        keys = next((keys for keys, _ in self.keys_values.values()), self.pooled)
        assert keys is not None  # a context without layers is of a model with pooled text
        return len(keys)

    def texts_per_video(self, num_videos: int) -> int:
        """How many texts each video of a batch has: 2 with guidance."""
        if self.batch_size != 1 and self.batch_size % num_videos:
            raise ValueError(f"{num_videos} videos of latents, but text for {self.batch_size}")
        return max(1, self.batch_size // num_videos)

    def one_by_one(self) -> "list[TextContext]":
        """Splits the batch into contexts of one text each. Copies nothing."""
        return [
            TextContext(
                {layer: (k[i : i + 1], v[i : i + 1]) for layer, (k, v) in self.keys_values.items()},
                None if self.pooled is None else self.pooled[i : i + 1],
            )
            for i in range(self.batch_size)
        ]

    def of(self, layer: Attention) -> tuple[Float[Tensor, "b n d"], Float[Tensor, "b n d"]]:
        """Keys and values of one layer."""
        if layer not in self.keys_values:
            raise ValueError("this text was prepared by another model; each has its own keys")
        return self.keys_values[layer]


def pool_text(prompt_embeds: Float[Tensor, "b n d"]) -> Float[Tensor, "b d"]:
    """The mean of all tokens: the text encoder is causal, so only the last have seen all words."""
    return torch.mean(prompt_embeds, dim=1)


def text_attentions(model: nn.Module) -> dict[str, Attention]:
    """Finds the spatial cross-attentions, by name: no other layer sees the text."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, Attention) and module.is_cross_attention
    }


def attend_with_torch(q: Queries, k: Keys, v: Keys) -> Queries:
    """Scaled dot-product attention of torch."""
    if q.device.type != "cpu":
        return scaled_dot_product_attention(q, k, v)
    # On the CPU the backward pass in bfloat16 is many times slower than in float32, and autocast
    # would undo the cast to float32. Attention is a small part of the work.
    with torch.autocast("cpu", enabled=False):
        return scaled_dot_product_attention(q.float(), k.float(), v.float()).to(q.dtype)


def attend_with_xformers(q: Queries, k: Keys, v: Keys) -> Queries:
    """Memory-efficient attention of xFormers."""
    from xformers.ops import memory_efficient_attention

    q, k, v = (rearrange(t, "b m s d -> b s m d") for t in (q, k, v))
    return rearrange(memory_efficient_attention(q, k, v), "b s m d -> b m s d")


BACKENDS = {"torch": attend_with_torch, "xformers": attend_with_xformers}


class AttentionRunner:
    """Runs one diffusers `Attention` layer; diffusers calls this a processor."""

    def __init__(self, attend: Attend = attend_with_torch):
        self.attend = attend

    def __call__(
        self,
        attn: Attention,
        hidden_states: Float[Tensor, "bf s c"],
        encoder_hidden_states: TextContext | Tensor | None = None,
        attention_mask: None = None,  # noqa: ARG002  # diffusers passes it
    ) -> Float[Tensor, "bf s c"]:
        if isinstance(encoder_hidden_states, TextContext):
            k, v = encoder_hidden_states.of(attn)
        else:
            source = hidden_states if encoder_hidden_states is None else encoder_hidden_states
            k, v = attn.to_k(source), attn.to_v(source)

        # All frames of a video attend to the same text: they form one sequence of queries
        # (g = frames), so that the text need not be repeated. Without text g is 1.
        q = rearrange(
            attn.to_q(hidden_states), "(b g) s (m d) -> b m (g s) d", b=len(k), m=attn.heads
        )
        k, v = (rearrange(t, "b n (m d) -> b m n d", m=attn.heads) for t in (k, v))
        x = self.attend(q, k, v)
        x = rearrange(x, "b m (g s) d -> (b g) s (m d)", s=hidden_states.shape[1])

        linear, dropout = attn.to_out
        return dropout(linear(x))


def set_attention_backend(model: nn.Module, backend: str = "torch") -> None:
    """Runs every attention layer of `model` on "torch" or on "xformers".

    Raises:
        ConfigError: the backend is unknown or cannot run here.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"attention must be one of {', '.join(BACKENDS)}, got {backend!r}")
    if backend == "xformers":
        _check_xformers()
    runner = AttentionRunner(BACKENDS[backend])
    for module in model.modules():
        if isinstance(module, Attention):
            # diffusers lists its own processors as the only types.
            module.set_processor(runner)  # type: ignore[arg-type]


def _check_xformers() -> None:
    if not torch.cuda.is_available():
        raise ConfigError('attention "xformers" needs a CUDA GPU, and there is none; use "torch"')
    try:
        import xformers.ops  # noqa: F401
    except (ImportError, OSError) as error:
        raise ConfigError(
            f'attention "xformers" was asked for, but xFormers does not load ({error}); use "torch"'
        ) from error
