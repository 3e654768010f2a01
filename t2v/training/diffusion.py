"""Stages 3 to 7: images, clips, CAM, APM, world. One denoiser that learns a memory at a time.

The paper starts from a trained text-to-video model, freezes it for the CAM, and trains everything
but the temporal layers for CAM and APM together. Here the base model is ours and small: it goes on
learning in every stage, from first chunks without memories mixed into every batch. Until all parts
work together it sees the plain world only: in the whole world, 4,000 steps of images drew blobs.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import silu

from t2v.config import CHUNK_FRAMES
from t2v.models.frame_embedding import pool_text
from t2v.pipeline.denoising import denoise, guided, make_scheduler
from t2v.training.batches import mean_of, part, to_device
from t2v.training.clips import (
    Clips,
    Rendered,
    SceneSampler,
    Teachers,
    draw_first_chunks,
    draw_images,
    draw_later_chunks,
    token_ids,
)
from t2v.training.networks import (
    FRAME_SIZE,
    LATENT_CHANNELS,
    SCHEDULE,
    new_anchor_tokens,
    new_extractor,
    new_unet,
)
from t2v.training.world import sample_plain_scene, sample_scene


TEXT_DROP = 0.1
ANCHOR_DROP = 0.1
COND_NOISE = 0.08  # of conditioning frames in [-1, 1]: generated ones are never as clean
TEMPORAL_LAYERS = (
    "temp_convs",
    "temp_attentions",
    "transformer_in",
    "frame_embedding",
    "place_embedding",
)
NEW_LAYER_RATE = 2.0  # layers that a stage adds learn faster than those it found
ALPHA_RATE = 15.0  # the APM's gates start at 0, where SiLU is flat: they need a faster rate
NUM_TRAIN_TIMESTEPS = SCHEDULE["num_train_timesteps"]


class Denoiser(nn.Module):
    """All that is trained by diffusion. The text encoder rests, as the paper's does."""

    def __init__(self):
        super().__init__()
        self.unet = new_unet()
        self.extractor = new_extractor(self.unet)
        self.anchor_tokens = new_anchor_tokens()
        without_dropout(self)

    def forward(
        self,
        latents: Float[Tensor, "b c f h w"],
        timesteps: Tensor,
        prompt_embeds: Float[Tensor, "b n d"],
        cond_frames: Float[Tensor, "b k 3 H W"] | None = None,
        anchor_embeds: Float[Tensor, "b d"] | None = None,
        numbers: Int[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "b c f h w"]:
        cam = None
        if cond_frames is not None:
            encoded_frames = self.extractor.encode_frames(cond_frames)
            cam_text = self.extractor.prepare_text(prompt_embeds)
            cam = self.extractor(latents, timesteps, cam_text, encoded_frames)
        tokens = None if anchor_embeds is None else self.anchor_tokens(anchor_embeds)
        text = self.unet.prepare_text(prompt_embeds, tokens)
        return self.unet(latents, timesteps, text, cam, numbers)


class DiffusionStage:
    """The v-prediction loss (Salimans & Ho, 2022)."""

    last_rate = 0.02
    num_timesteps = NUM_TRAIN_TIMESTEPS  # that it learns, from 0
    # Timesteps are uniform to this power, by the label of the loss. The schedule is made for clips:
    # noise that hides half of a clip hides all of a single frame.
    powers: ClassVar[dict[str, float]] = {"image": 2.0}
    new_scene: SceneSampler = staticmethod(sample_plain_scene)

    def __init__(self, model: nn.Module, teachers: Teachers, num_steps: int):
        self.model = model
        self.teachers = teachers
        self.tokenizer = teachers.text.tokenizer
        self.num_steps = num_steps
        scheduler = make_scheduler("ddim", SCHEDULE, 10)
        self.alphas_cumprod = scheduler.alphas_cumprod.to(teachers.device)
        with torch.no_grad():
            grey = torch.zeros(1, 3, FRAME_SIZE, FRAME_SIZE, device=teachers.device)
            self.null_embed = teachers.image(grey)
        self.null_ids = teachers.text.tokenize([""]).to(teachers.device)

    def parameter_groups(self) -> list[dict]:
        return [{"params": list(self.model.unet.parameters())}]

    def loss_of(self, clips: Clips, label: str) -> dict[str, Tensor]:
        b, device = len(clips), self.teachers.device
        uniform = torch.rand(b, device=device)
        timesteps = (self.num_timesteps * uniform ** self.powers.get(label, 1.0)).long()
        alpha_bar = self.alphas_cumprod[timesteps].view(-1, 1, 1, 1, 1)
        signal, noise_level = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        noise = torch.randn_like(clips.latents)
        noisy = signal * clips.latents + noise_level * noise
        velocity = signal * noise - noise_level * clips.latents

        is_dropped = torch.rand(b, 1, device=device) < TEXT_DROP
        text = self.teachers.text(torch.where(is_dropped, self.null_ids, clips.token_ids))
        inputs = {} if clips.numbers is None else {"numbers": clips.numbers}
        if clips.cond_frames is not None:
            level = torch.rand(b, 1, 1, 1, 1, device=device) * COND_NOISE
            noise = torch.randn_like(clips.cond_frames)
            inputs["cond_frames"] = clips.cond_frames + level * noise
        if clips.anchor_embeds is not None:
            is_dropped = torch.rand(b, 1, device=device) < ANCHOR_DROP
            inputs["anchor_embeds"] = torch.where(is_dropped, self.null_embed, clips.anchor_embeds)
        output = self.model(noisy, timesteps, text, **inputs)
        target = self.target(velocity, noisy, timesteps, text, inputs)

        error = (output.float() - target).square().mean(dim=(1, 2, 3, 4))
        high = timesteps > 0.6 * self.num_timesteps
        parts = {f"{label}_high": mean_of(error, high), f"{label}_low": mean_of(error, ~high)}
        return {"loss": error.mean(), **parts}

    def target(
        self, velocity: Tensor, noisy: Tensor, timesteps: Tensor, text: Tensor, inputs: dict
    ) -> Tensor:
        """What the network should say; `inputs` are its others."""
        return velocity

    @torch.no_grad()
    def sample(self, model: Denoiser, captions: list[str], num_frames: int, scale: float = 3.0):
        """Frames (b f h w 3) from text alone, 12 UniPC steps."""
        ids = self.teachers.text.tokenize(["", *captions]).to(self.teachers.device)
        embeds = self.teachers.text(ids)
        prompts = torch.cat([embeds[:1].expand(len(captions), -1, -1), embeds[1:]])
        text = model.unet.prepare_text(prompts)
        generator = torch.Generator().manual_seed(0)
        side = FRAME_SIZE // self.teachers.autoencoder.downsampling
        shape = (len(captions), LATENT_CHANNELS, num_frames, side, side)
        noise = torch.randn(shape, generator=generator)

        def predict(latents: Tensor, timestep: Tensor) -> Tensor:
            return model.unet(latents, timestep, text)

        scheduler = make_scheduler("unipc", SCHEDULE, 12)
        noise = noise.to(self.teachers.device)
        *_, (latents, _) = denoise(guided(predict, scale), noise, scheduler, generator)
        return np.stack([self.teachers.autoencoder.decode(latent[None]) for latent in latents])


SHEET_CAPTIONS = [
    f"a {colour} {shape} {motion} on a {background} background"
    for colour, shape, motion, background in zip(
        ("red", "yellow", "green", "blue", "purple", "white") * 2,
        ("star", "circle", "square", "triangle", "ring", "cross",
         "cross", "square", "star", "ring", "circle", "triangle"),
        ("moving left", "moving right", "moving up", "moving down", "standing still",
         "circling around", "bouncing up and down", "bouncing from side to side",
         "moving right", "moving left", "moving down", "moving up"),
        ("black", "navy", "gray", "teal", "maroon", "black") * 2,
        strict=True,
    )
]  # fmt: skip


class ImagesStage(DiffusionStage):
    """Single frames first: crisp shapes cost a sixteenth of what they cost in clips."""

    name = "images"
    learning_rate = 1e-3
    batch_size = 32

    def __init__(self, model: Denoiser, teachers: Teachers, num_steps: int):
        super().__init__(model, teachers, num_steps)
        model.unet.frame_embedding.whiten_text(pooled_captions(teachers))

    def draw(self, rng: np.random.Generator, share: float) -> Rendered:
        return draw_images(rng, part(self.batch_size, share), self.tokenizer, self.new_scene)

    def losses(self, batch: Rendered) -> dict[str, Tensor]:
        return self.loss_of(self.teachers.encode(batch), "image")

    def sheet(self, model: Denoiser) -> UInt8[np.ndarray, "h w 3"]:
        frames = self.sample(model, SHEET_CAPTIONS * 2, num_frames=1)
        return rearrange(frames, "(r c) f h w d -> (r h) (f c w) d", c=12)


class ClipsStage(DiffusionStage):
    """First chunks of videos: motion. Single frames go on teaching what is where at which time."""

    name = "clips"
    learning_rate = 8e-4
    batch_size = 8
    image_batch_size = 48

    def parameter_groups(self) -> list[dict]:
        temporal, others = split_by_name(self.model.unet, TEMPORAL_LAYERS)
        return [{"params": others}, {"params": temporal, "rate": NEW_LAYER_RATE}]

    def draw(self, rng: np.random.Generator, share: float) -> tuple[Rendered, Rendered]:
        common = self.tokenizer, self.new_scene
        images = draw_images(rng, part(self.image_batch_size, share), *common)
        clips = draw_first_chunks(rng, part(self.batch_size, share), *common)
        return images, clips._replace(anchors=None)

    def losses(self, batch: Sequence[Rendered]) -> dict[str, Tensor]:
        images, clips = map(self.loss_of, map(self.teachers.encode, batch), ("image", "clip"))
        loss = images.pop("loss") + clips.pop("loss")
        return {"loss": loss, **images, **clips}

    def sheet(self, model: Denoiser) -> UInt8[np.ndarray, "h w 3"]:
        frames = self.sample(model, SHEET_CAPTIONS, num_frames=CHUNK_FRAMES)[:, ::2]
        return rearrange(frames, "b f h w d -> (b h) (f w) d")


class MemoryStage(DiffusionStage):
    """Chunks from the middle of videos, mixed with all that the base has learnt before."""

    image_batch, image_weight = 16, 0.3  # keeps outlines crisp
    image_frames = CHUNK_FRAMES  # images are one of the first so many frames
    first_batch = 8
    later_batch = 8
    share_of_returns = 0.1
    with_anchor = False
    first_with_anchor = False  # the APM carries its look over to first chunks untrained

    def draw(self, rng: np.random.Generator, share: float) -> tuple[Rendered, Rendered, Rendered]:
        common = self.tokenizer, self.new_scene
        counts = (part(n, share) for n in (self.image_batch, self.first_batch, self.later_batch))
        images = draw_images(rng, next(counts), *common, self.image_frames)
        first = draw_first_chunks(rng, next(counts), *common)
        later = draw_later_chunks(rng, next(counts), *common, self.share_of_returns)
        if not self.first_with_anchor:
            first = first._replace(anchors=None)
        return images, first, later if self.with_anchor else later._replace(anchors=None)

    def losses(self, batch: Sequence[Rendered]) -> dict[str, Tensor]:
        images, first = map(self.loss_of, map(self.teachers.encode, batch[:2]), ("image", "clip"))
        later = self.loss_of(self.teachers.encode(batch[2], with_cond_frames=True), "later")
        gates = torch.stack([silu(mixer.alpha).abs() for mixer in self.model.unet.mixers]).mean()
        loss = self.image_weight * images.pop("loss") + (first.pop("loss") + later.pop("loss")) / 2
        return {"loss": loss, **images, **first, **later, "gates": gates.detach()}

    def sheet(self, model: Denoiser) -> UInt8[np.ndarray, "h w 3"]:
        """Rows in pairs: a rendered chunk, and the model's with the same 8 conditioning frames."""
        rng = np.random.default_rng(9)
        drawn = draw_later_chunks(rng, 6, self.tokenizer, self.new_scene, 0.5)
        clips = self.teachers.encode(to_device(drawn, self.teachers.device), with_cond_frames=True)
        text = self.teachers.text(clips.token_ids)
        encoded = model.extractor.encode_frames(clips.cond_frames)
        cam_text = model.extractor.prepare_text(text)
        tokens = model.anchor_tokens(clips.anchor_embeds) if self.with_anchor else None
        context = model.unet.prepare_text(text, tokens)

        def predict(latents: Tensor, timestep: Tensor) -> Tensor:
            cam = model.extractor(latents, timestep, cam_text, encoded)
            return model.unet(latents, timestep, context, cam)

        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(clips.latents.shape, generator=generator).to(self.teachers.device)
        scheduler = make_scheduler("unipc", SCHEDULE, 10)
        *_, (latents, _) = denoise(predict, noise, scheduler, generator)
        both = torch.stack([clips.latents, latents], dim=1).flatten(0, 1)
        frames = np.stack([self.teachers.autoencoder.decode(latent[None]) for latent in both])
        return rearrange(frames[:, ::2], "b f h w d -> (b h) (f w) d")


class CamStage(MemoryStage):
    """Short-term memory: extractor and injectors join, the base learns on."""

    name = "cam"
    learning_rate = 6e-4
    last_rate = 0.3  # the next stage goes on from here

    def __init__(self, model: Denoiser, teachers: Teachers, num_steps: int):
        # Begins as a copy of what the UNet has learnt so far.
        model.extractor = new_extractor(model.unet)
        super().__init__(model, teachers, num_steps)

    def parameter_groups(self) -> list[dict]:
        new, others = split_by_name(self.model.unet, ("injector",))
        new += self.model.extractor.frame_encoder.parameters()
        others += split_by_name(self.model.extractor, ("frame_encoder",))[1]
        return [{"params": others}, {"params": new, "rate": NEW_LAYER_RATE}]


class ApmStage(MemoryStage):
    """Long-term memory joins, on many windows that need it."""

    name = "apm"
    learning_rate = 5e-4
    share_of_returns = 0.3
    with_anchor = True

    def parameter_groups(self) -> list[dict]:
        gates, others = split_by_name(self.model, (".alpha",))
        return [{"params": others}, {"params": gates, "rate": ALPHA_RATE, "weight_decay": 0.0}]


class WorldStage(ApmStage):
    """All that the world has joins: more shapes and colours, patterns, pans, two objects."""

    name = "world"
    learning_rate = 4e-4
    image_batch, image_weight = 32, 0.4  # new shapes are learnt from them first
    image_frames = 1  # all that is ever drawn alone
    powers: ClassVar = {"image": 1.5, "clip": 0.7}  # noisier: where and which way is decided there
    new_scene: SceneSampler = staticmethod(sample_scene)


@torch.no_grad()
def pooled_captions(teachers: Teachers, count: int = 2048) -> Float[Tensor, "{count} d"]:
    """What the text encoder says of many captions."""
    rng = np.random.default_rng(11)
    ids = token_ids(teachers.text.tokenizer, [sample_scene(rng) for _ in range(count)])
    parts = ids.to(teachers.device).split(256)
    return torch.cat([pool_text(teachers.text(ids)) for ids in parts])


def without_dropout(model: nn.Module) -> nn.Module:
    """Far fewer passes over the data than parameters could remember it with."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def split_by_name(
    module: nn.Module, parts: tuple[str, ...]
) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters whose name contains one of `parts`, and all others."""
    chosen, others = [], []
    for name, parameter in module.named_parameters():
        (chosen if any(part in name for part in parts) else others).append(parameter)
    return chosen, others
