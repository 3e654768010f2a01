"""Loads FramePack from diffusers' layout: its own network in `transformer/`, and those it needs.

HunyuanVideo's Llama (`text_encoder/`), CLIP (`text_encoder_2/`), autoencoder and noise schedule,
SigLIP (`image_encoder/`), and the model that draws the first image (`first_image/`).
"""

from typing import Any

import torch
from diffusers.models import AutoencoderKLHunyuanVideo, HunyuanVideoFramepackTransformer3DModel
from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video_framepack import (
    DEFAULT_PROMPT_TEMPLATE,
    HunyuanVideoFramepackPipeline,
)
from diffusers.schedulers import FlowMatchEulerDiscreteScheduler
from transformers import LlamaModel, SiglipImageProcessor, SiglipVisionModel

from t2v.baselines.framepack import MAX_TOKENS, FramePack
from t2v.baselines.parts import load_large_model, load_model, load_text_encoder, scheduler_config
from t2v.baselines.text_to_image import load_text_to_image
from t2v.models.encoders import TextEncoder
from t2v.models.networks import read_json
from t2v.models.wan import load_tokenizer
from t2v.settings.presets import Preset


TEMPLATE: dict[str, Any] = DEFAULT_PROMPT_TEMPLATE


class LlamaTextEncoder(TextEncoder):
    """Llama, which reads a prompt inside of a template. The library's pipeline runs it."""

    def num_cut_tokens(self, prompt: str) -> int:
        text = TEMPLATE["template"].format(prompt)
        num_tokens = len(self.tokenizer(text, truncation=False, verbose=False).input_ids)
        return max(0, num_tokens - TEMPLATE["crop_start"] - MAX_TOKENS)


def load_framepack(preset: Preset, dtype: torch.dtype) -> FramePack:
    """Loads the networks on the host; autoencoders compute in float32, FramePack's in tiles.

    Raises:
        CheckpointError: files are missing or do not fit.
    """
    folder = preset.weights_folder
    schedule = scheduler_config(folder / "scheduler")
    tokenizer = load_tokenizer(folder / "tokenizer")
    tokenizer.padding_side = "right"  # the prompt begins where the template ends
    clip = load_text_encoder(TextEncoder, folder, dtype, number="_2")
    parts: dict[str, Any] = {
        "transformer": load_large_model(
            HunyuanVideoFramepackTransformer3DModel, folder / "transformer", dtype
        ),
        "vae": load_model(AutoencoderKLHunyuanVideo, folder / "vae", torch.float32),
        "scheduler": FlowMatchEulerDiscreteScheduler.from_config(schedule),
        "text_encoder": load_model(LlamaModel, folder / "text_encoder", dtype),
        "tokenizer": tokenizer,
        "text_encoder_2": clip.model,
        "tokenizer_2": clip.tokenizer,
        "image_encoder": load_model(SiglipVisionModel, folder / "image_encoder", dtype),
        "feature_extractor": SiglipImageProcessor(
            **read_json(folder / "feature_extractor" / "preprocessor_config.json")
        ),
    }
    pipeline = HunyuanVideoFramepackPipeline(**parts)
    pipeline.vae.enable_tiling()
    return FramePack(
        preset,
        pipeline,
        LlamaTextEncoder(pipeline.text_encoder, tokenizer),
        schedule,
        load_text_to_image(folder / "first_image", dtype),
    )
