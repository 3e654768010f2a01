"""Cross-attention of Helios with keys and values of the text that are computed once per prompt.

They depend on neither timestep nor noise, but the library's blocks compute them in every step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from diffusers.models import HeliosTransformer3DModel
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.transformers.transformer_helios import HeliosAttnProcessor
from jaxtyping import Float
from torch import Tensor

from t2v.models.wan import MAX_TOKENS


class PreparedAttnProcessor(HeliosAttnProcessor):
    """The library's attention; cross-attention reads `text` instead of the embeddings, if set."""

    def __init__(self) -> None:
        super().__init__()
        self.text: tuple[Tensor, Tensor] | None = None  # keys and values, (b, n, heads, d)

    def __call__(self, attn: Any, hidden_states: Tensor, *arguments: Any, **options: Any) -> Tensor:
        if self.text is None:
            return super().__call__(attn, hidden_states, *arguments, **options)
        keys, values = self.text
        queries = attn.norm_q(attn.to_q(hidden_states)).unflatten(2, (attn.heads, -1))
        attended = dispatch_attention_fn(queries, keys, values, backend=self._attention_backend)
        project, dropout = attn.to_out
        return dropout(project(attended.flatten(2, 3).type_as(queries)))


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A prompt as the blocks of a transformer read it."""

    embeds: Float[Tensor, "b 1 d"]  # one token, which nothing attends to: the transformer wants one
    keys_values: tuple[tuple[Tensor, Tensor], ...]  # of every block

    @contextmanager
    def read_by(self, transformer: HeliosTransformer3DModel) -> Iterator[None]:
        """Lets the transformer read this text for one call, and keeps nothing of it there."""
        processors = [attn.processor for attn in cross_attentions(transformer)]
        for processor, text in zip(processors, self.keys_values, strict=True):
            processor.text = text
        try:
            yield
        finally:
            for processor in processors:
                processor.text = None


def prepare_text(
    transformer: HeliosTransformer3DModel, prompt_embeds: Float[Tensor, "b n d"]
) -> PreparedText:
    """Computes the keys and values of a prompt in every block, as the blocks do it."""
    text = transformer.condition_embedder.text_embedder(prompt_embeds)
    return PreparedText(
        prompt_embeds[:, :1],
        tuple(keys_values(attn, text) for attn in cross_attentions(transformer)),
    )


def keys_values(attn: Any, text: Float[Tensor, "b n d"]) -> tuple[Tensor, Tensor]:
    """Keys and values of one cross-attention, (b, n, heads, d)."""
    keys, values = attn.norm_k(attn.to_k(text)), attn.to_v(text)
    return keys.unflatten(2, (attn.heads, -1)), values.unflatten(2, (attn.heads, -1))


def use_prepared_text(transformer: HeliosTransformer3DModel) -> None:
    """Makes the cross-attention of every block able to read prepared text."""
    for attn in cross_attentions(transformer):
        attn.set_processor(PreparedAttnProcessor())


def cross_attentions(transformer: Any) -> list[Any]:
    """The cross-attention of every block."""
    return [block.attn2 for block in transformer.blocks]


def text_bytes(transformer: Any) -> int:
    """Bytes of the keys and values of the longest prompt."""
    return sum(
        MAX_TOKENS * layer.out_features * layer.weight.itemsize
        for attn in cross_attentions(transformer)
        for layer in (attn.to_k, attn.to_v)
    )
