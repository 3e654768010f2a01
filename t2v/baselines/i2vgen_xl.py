"""I2VGen-XL (Zhang et al., 2023; arXiv 2311.04145): image and prompt become a video.

A text-to-image model draws the first image; every later chunk begins with the last frame of the one
before, which it sees as a CLIP embedding and as a latent.
"""

from collections.abc import Iterator
from typing import Any

import torch
from diffusers.models import AutoencoderKL, I2VGenXLUNet
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor, nn
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from t2v.baselines.framewise import Framewise
from t2v.baselines.interface import Continuing
from t2v.baselines.parts import (
    load_image_processor,
    load_model,
    load_text_encoder,
    scheduler_config,
)
from t2v.baselines.text_to_image import TextToImage, load_text_to_image
from t2v.events import Frames
from t2v.media.images import Picture
from t2v.models.encoders import TextEncoder
from t2v.pipeline.denoising import Step
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import Preset


class PenultimateTextEncoder(TextEncoder):
    """CLIP's text model without its last layer, then its final norm; padding is not masked."""

    def forward(self, token_ids: Int[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        states = self.model(token_ids, output_hidden_states=True).hidden_states
        norm: nn.Module = self.model.get_submodule("final_layer_norm")
        return norm(states[-2])


class I2VGenXL(Framewise, Continuing):
    """Runs the networks that the library's I2VGenXLPipeline has."""

    step_bytes = 45_000
    decoding_bytes = 200_000

    def __init__(
        self,
        preset: Preset,
        unet: I2VGenXLUNet,
        vae: AutoencoderKL,
        text_encoder: PenultimateTextEncoder,
        image_encoder: CLIPVisionModelWithProjection,
        image_processor: CLIPImageProcessor,
        schedule: dict[str, Any],
        first_image: TextToImage,
    ):
        networks = {"unet": unet, "image_encoder": image_encoder, **first_image.networks}
        super().__init__(preset, networks, vae, text_encoder, schedule)
        self.unet = unet
        self.image_encoder = image_encoder
        self.image_processor = image_processor
        self.first_image = first_image

    def first_frames(
        self,
        config: GenerationConfig,
        prompt_embeds: Tensor,  # noqa: ARG002 - the other model has a text encoder of its own
        image: Frames | None,
    ) -> Frames:
        return self.first_image.draw_prompt(self, config) if image is None else image

    def draw(
        self,
        config: GenerationConfig,
        index: int,
        prompt_embeds: Tensor,
        known: Frames | None,
    ) -> Iterator[Step]:
        assert known is not None
        dtype, count = self.unet.dtype, len(prompt_embeds)  # 2 with guidance
        self.use("image_encoder")
        embedding = self.embed_image(known[-1])
        embeddings = torch.cat([torch.zeros_like(embedding)] * (count - 1) + [embedding])
        conditions = {
            "encoder_hidden_states": prompt_embeds.to(dtype),
            "image_embeddings": embeddings.to(dtype),
            "image_latents": self.image_latents(config, index, known[-1:])
            .to(dtype)
            .repeat(count, 1, 1, 1, 1),
            "fps": torch.full((count,), self.fps, device=self.device),
        }
        self.use("unet")

        def predict(latents: Tensor, timestep: Tensor) -> Tensor:
            return self.unet(latents.to(dtype), timestep, return_dict=False, **conditions)[0]

        return self.sample(
            config, predict, self.noise(config, index, self.unet.config["in_channels"])
        )

    def embed_image(self, frame: Picture) -> Float[Tensor, "1 1 d"]:
        """CLIP's embedding of the middle of a frame, its largest square."""
        image = squared(Image.fromarray(frame))
        size = self.image_processor.crop_size
        image = image.resize((size["width"], size["height"]), Image.Resampling.BILINEAR)
        pixels = self.image_processor(
            images=image, do_resize=False, do_center_crop=False, return_tensors="pt"
        ).pixel_values
        pixels = pixels.to(self.device, self.image_encoder.dtype)
        return self.image_encoder(pixels).image_embeds[:, None]

    def image_latents(self, config: GenerationConfig, index: int, image: Frames) -> Tensor:
        """The image's latents for the first frame; for every other one, how far it is, 0 to 1."""
        latents = self.sample_latents(config, index, image)
        num_frames = self.chunking.chunk_frames
        shares = torch.arange(1, num_frames, device=self.device) / (num_frames - 1)
        places = torch.ones_like(latents).repeat(1, 1, num_frames - 1, 1, 1)
        return torch.cat([latents, places * shares.view(-1, 1, 1)], dim=2)


def squared(image: Image.Image) -> Image.Image:
    """The middle of a wide picture as a square of its width, as the authors cut it."""
    side = image.width
    scale = min(1, image.height / side)
    size = (round(image.width // scale), round(image.height // scale))
    image = image.resize(size, Image.Resampling.BOX)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def load_i2vgen_xl(preset: Preset, dtype: torch.dtype) -> I2VGenXL:
    """Loads the networks on the host; autoencoders compute in float32.

    Raises:
        CheckpointError: files are missing or do not fit.
    """
    folder = preset.weights_folder
    return I2VGenXL(
        preset,
        unet=load_model(I2VGenXLUNet, folder / "unet", dtype),
        vae=load_model(AutoencoderKL, folder / "vae", torch.float32),
        text_encoder=load_text_encoder(PenultimateTextEncoder, folder, dtype),
        image_encoder=load_model(CLIPVisionModelWithProjection, folder / "image_encoder", dtype),
        image_processor=load_image_processor(folder / "feature_extractor"),
        schedule=scheduler_config(folder / "scheduler"),
        first_image=load_text_to_image(folder / "first_image", dtype),
    )
