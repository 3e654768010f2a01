"""Text and image encoders: CLIP models and their tokenizers.

`shapes` has its own small CLIP models, built by transformers. The paper's stack has OpenCLIP
ViT-H-14; each half is built by the library whose form its weights have: the text half by
transformers, the image half by open_clip. Helios has UMT5, which reads text only.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize, pad
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    LlamaModel,
    PreTrainedTokenizerFast,
    UMT5EncoderModel,
)

from t2v.settings.vocabulary import words_of


CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of the pixels, in [0, 1], CLIP was trained on
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class TextEncoder(nn.Module):
    """Encodes prompts as `tokenizer.model_max_length` token embeddings each."""

    def __init__(
        self,
        model: CLIPTextModelWithProjection | CLIPTextModel | UMT5EncoderModel | LlamaModel,
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
        """Words and symbols that the tokenizer does not know, in order, each once.

        Unknown punctuation has no meaning and is left out.
        """
        unknown = self.tokenizer.unk_token_id
        words = words_of(prompt)
        ids = {word: self.tokenizer(word, add_special_tokens=False).input_ids for word in words}
        return [word for word, tokens in ids.items() if unknown in tokens]

    def num_cut_tokens(self, prompt: str) -> int:
        """Number of tokens at the end of the prompt that do not fit."""
        length = len(self.tokenizer(prompt, truncation=False, verbose=False).input_ids)
        return max(0, length - self.tokenizer.model_max_length)


class OpenClipTextEncoder(TextEncoder):
    """OpenCLIP's text tower without its last layer, then its final norm, as ModelScope uses it.

    Padding is not masked: the UNet was trained with the embeddings of all 77 tokens.
    """

    def forward(self, token_ids: Int[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        return self.model(token_ids).last_hidden_state


class Umt5TextEncoder(TextEncoder):
    """UMT5, as Wan and Helios use it: embeddings of the tokens of a prompt, then zeros."""

    def encode(self, prompts: list[str]) -> Float[Tensor, "b n d"]:
        """Encodes every prompt alone, at its own length: nothing is computed for padding."""
        longest = self.tokenizer.model_max_length
        padded = []
        for prompt in prompts:
            text = " ".join(prompt.split())
            batch = self.tokenizer(text, truncation=True, max_length=longest, return_tensors="pt")
            [embeds] = self.model(batch.input_ids.to(self.model.device)).last_hidden_state
            padded.append(pad(embeds, (0, 0, 0, longest - len(embeds))))
        return torch.stack(padded)


class ImageEncoder(nn.Module):
    """Encodes an image as one embedding of length sqrt(d), whose elements are about 1 in size."""

    model: Any  # transformers' or open_clip's, whose attributes have no types

    def __init__(self, model: CLIPVisionModelWithProjection | nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pixels: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b d"]:
        """Takes pixels in [-1, 1], any size."""
        size = self.model.config.image_size
        if pixels.shape[-2:] != (size, size):
            pixels = interpolate(pixels, (size, size), mode="bicubic", align_corners=True)
        embeds = self.model(pixels.to(self.model.dtype)).image_embeds
        return normalize(embeds, dim=-1) * embeds.shape[-1] ** 0.5


class OpenClipImageEncoder(ImageEncoder):
    """Encodes an image in the space that CLIP shares with text; embeddings keep their length.

    Its model is open_clip's VisionTransformer, pooled and projected.
    """

    def forward(self, pixels: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b d"]:
        """Takes pixels in [-1, 1], any size; images that are not square are squeezed."""
        x = clip_pixels(pixels, self.model.image_size)
        return self.model(x.to(self.model.proj.dtype))


def clip_pixels(
    pixels: Float[Tensor, "b 3 H W"], size: tuple[int, int]
) -> Float[Tensor, "b 3 h w"]:
    """Normalises pixels in [-1, 1] for CLIP, as the authors' code does.

    They resize with kornia: bicubic, corners aligned, after a blur with a sigma of half of the
    shrinking factor above 1. From 256 to 224 that blur is too narrow to change a bit, so it is left
    out below a sigma of 0.1 pixels.
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
