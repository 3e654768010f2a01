"""What the prompt says of every chunk, as embeddings."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from t2v.config import GenerationConfig


class EncodedPrompts:
    """Encodes every text of a prompt once, each by itself: what comes later changes nothing.

    Args:
        encode: a text encoder's.
        guidance_scale: at 1 nothing is guided away from, and the negative prompt is not read.
    """

    def __init__(
        self,
        encode: Callable[[list[str]], Float[Tensor, "b n d"]],
        config: GenerationConfig,
        guidance_scale: float,
    ):
        negative = [] if guidance_scale == 1 else [config.negative_prompt]
        self._shares_of = config.prompt_shares
        self._embeds = {
            text: encode([*negative, text])
            for text in dict.fromkeys(change.text for change in config.prompts)
        }

    def of_chunk(self, chunk: int) -> Float[Tensor, "b n d"]:
        """Negative prompt, if it is read, and prompt; in between two prompts a mixture of them."""
        shares = self._shares_of(chunk)
        if len(shares) == 1:
            return self._embeds[next(iter(shares))]
        return sum(share * self._embeds[text] for text, share in shares.items())
