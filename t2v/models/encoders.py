"""Text and image encoders: CLIP models, and a tokenizer that knows its words.

`shapes` has small CLIP models of its own, in transformers' form. The paper's stack has OpenCLIP
ViT-H-14, each half in the form that its weights come in: the text half transformers', the image
half open_clip's.
"""

import re
from unicodedata import category

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    PreTrainedTokenizerFast,
)


CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of the pixels, in [0, 1], CLIP was trained on
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class TextEncoder(nn.Module):
    """Prompts to token embeddings, always `tokenizer.model_max_length` of them."""

    def __init__(
        self,
        model: CLIPTextModelWithProjection | CLIPTextModel,
        tokenizer: PreTrainedTokenizerFast,
    ):
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer

    def tokenize(self, prompts: list[str]) -> Int[Tensor, "b n"]:
        batch = self.tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt")
        return batch.input_ids.to(self.model.device)

    def forward(self, token_ids: Int[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        return self.model(
            token_ids, attention_mask=(token_ids != self.tokenizer.pad_token_id).long()
        ).last_hidden_state

    def encode(self, prompts: list[str]) -> Float[Tensor, "b n d"]:
        return self(self.tokenize(prompts))

    def unknown_words(self, prompt: str) -> list[str]:
        """Words and symbols that the tokenizer has never seen, in order, each once.

        Punctuation that it does not know says nothing, and is not told.
        """
        words = re.findall(r"\w+(?:['-]\w+)*|[^\w\s]", prompt.lower())
        words = [word for word in words if any(category(sign)[0] in "LNS" for sign in word)]
        unknown = self.tokenizer.unk_token_id
        ids = {word: self.tokenizer(word, add_special_tokens=False).input_ids for word in words}
        return [word for word, tokens in ids.items() if unknown in tokens]

    def num_cut_tokens(self, prompt: str) -> int:
        """How many tokens at the end of the prompt do not fit."""
        length = len(self.tokenizer(prompt, truncation=False, verbose=False).input_ids)
        return max(0, length - self.tokenizer.model_max_length)


class OpenClipTextEncoder(TextEncoder):
    """OpenCLIP's text tower but for its last layer, then its last norm, as ModelScope reads it.

    Padding is read like words: the UNet was trained with embeddings of all 77 tokens.
    """

    def forward(self, token_ids: Int[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        return self.model(token_ids).last_hidden_state


class ImageEncoder(nn.Module):
    """One image to one embedding of unit length times sqrt(d): its elements are about 1 in size."""

    def __init__(self, model: CLIPVisionModelWithProjection | nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pixels: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b d"]:
        """Pixels in [-1, 1], any size."""
        size = self.model.config.image_size
        if pixels.shape[-2:] != (size, size):
            pixels = interpolate(pixels, (size, size), mode="bicubic", align_corners=True)
        embeds = self.model(pixels.to(self.model.dtype)).image_embeds
        return normalize(embeds, dim=-1) * embeds.shape[-1] ** 0.5


class OpenClipImageEncoder(ImageEncoder):
    """One image to its embedding in the space CLIP shares with text, of any length.

    Its model is open_clip's VisionTransformer, pooled and projected.
    """

    def forward(self, pixels: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b d"]:
        """Pixels in [-1, 1], any size; other shapes than squares are squeezed into one."""
        x = clip_pixels(pixels, self.model.image_size)
        return self.model(x.to(self.model.proj.dtype))


def clip_pixels(
    pixels: Float[Tensor, "b 3 H W"], size: tuple[int, int]
) -> Float[Tensor, "b 3 h w"]:
    """Pixels in [-1, 1] as CLIP wants them, as the authors' code makes them.

    They resize with kornia (bicubic, corners aligned, blurred before by half of what the size
    shrinks beyond 1). From 256 to 224 that blur is too narrow to change a bit, so it is left out
    below a sigma of 0.1 pixels.
    """
    sigmas = [
        (before / after - 1) / 2 for before, after in zip(pixels.shape[2:], size, strict=True)
    ]
    if max(sigmas) > 0.1:
        from torchvision.transforms.functional import gaussian_blur

        height, width = (max(sigma, 0.001) for sigma in sigmas)
        kernel = [max(int(4 * sigma), 3) | 1 for sigma in (width, height)]
        pixels = gaussian_blur(pixels, kernel, [width, height])
    x = (interpolate(pixels, size, mode="bicubic", align_corners=True) + 1) / 2
    mean, std = (
        torch.tensor(values, device=x.device, dtype=x.dtype).view(3, 1, 1)
        for values in (CLIP_MEAN, CLIP_STD)
    )
    return (x - mean) / std
