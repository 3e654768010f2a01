"""What every baseline is: networks, how a chunk is drawn, and what a chunk continues."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property

import torch
from torch import Tensor, nn

from t2v.events import Frames, LatentMemory, Memory, Stage
from t2v.models.encoders import TextEncoder
from t2v.models.latent_preview import LatentPreview, colour_fields
from t2v.pipeline.conditioning import EncodedPrompts
from t2v.pipeline.denoising import Step, noise_generator
from t2v.pipeline.offload import Offloader
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import Preset


class Baseline(ABC):
    """The networks of a method, and what all methods have in common.

    Args:
        networks: by the names that an Offloader knows.
        text_encoder: of the networks, that reads the prompt.
    """

    reads_text = True  # at every step; otherwise no negative prompt either
    reads_negative = True  # what a video is not to show; a distilled model does not
    memory_kind: type[Memory] | type[LatentMemory] = Memory  # what its chunks leave for the next
    together: tuple[tuple[str, ...], ...] = ()  # networks that run at the same time
    # Peak bytes without the weights, per latent pixel: of a step, for each latent in time; and of
    # decoding, for all frames that are decoded together. Counted on the meta device.
    step_bytes: int
    decoding_bytes: int

    def __init__(
        self, preset: Preset, networks: Mapping[str, nn.Module], text_encoder: TextEncoder
    ):
        self.name = preset.name
        self.frame_size = preset.frame_size
        self.chunking = preset.chunking
        self.fps = preset.fps
        self.networks = networks
        self.text_encoder = text_encoder
        self.offloader: Offloader | None = None  # None: all networks stay where they compute
        self.notices: tuple[str, ...] = ()  # for the user, when a video begins

    @property
    def device(self) -> torch.device:
        """Where networks compute; idle ones may be offloaded."""
        if self.offloader:
            return self.offloader.device
        return next(self.networks["autoencoder"].parameters()).device

    def use(self, *names: str) -> None:
        """Loads the networks that run next, and offloads the others."""
        if self.offloader:
            self.offloader.use(*names)

    @abstractmethod
    def encode_prompts(self, config: GenerationConfig) -> EncodedPrompts:
        """Encodes every prompt of a video once."""

    @abstractmethod
    def encode(self, frames: Tensor) -> Tensor:
        """Latents (b, c, h, w) of uint8 pictures (b, H, W, 3), as `draw` yields them."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Frames:
        """Frames of latents (1, c, f, h, w).

        Raises:
            FloatingPointError: pixels are no numbers.
        """

    @property
    @abstractmethod
    def downsampling(self) -> int:
        """Pixels per latent, in each direction."""

    @cached_property
    def preview(self) -> LatentPreview:
        """Shows latents without decoding them. Fitted at its first use."""
        pictures = colour_fields(8 * self.downsampling)
        with torch.no_grad():
            latents = self.encode(pictures.to(self.device))
        return LatentPreview(latents.movedim(0, 1), pictures, detail=1)

    def num_latents(self, num_frames: int) -> int:
        """Latents, over time, of the first frames of a chunk."""
        return num_frames

    @property
    @abstractmethod
    def latents_together(self) -> int:
        """Latents, over time, of one denoising; where it depends on the video, by default."""

    def noise(self, config: GenerationConfig, index: int, channels: int, *details: str) -> Tensor:
        """The noise (1, c, f, h, w) that a chunk begins with, whatever the device."""
        generator = chunk_generator(config, index, *details)
        height, width = (side // self.downsampling for side in self.frame_size)
        shape = (1, channels, self.latents_together, height, width)
        return torch.randn(shape, generator=generator).to(self.device)


class Continuing(Baseline):
    """Draws chunks, each of which continues the last `chunking.overlap` frames of the video.

    It keeps nothing between chunks, so its memory does not grow with the video.
    """

    @property
    def latents_together(self) -> int:
        return self.num_latents(self.chunking.chunk_frames)

    def first_frames(
        self,
        config: GenerationConfig,  # noqa: ARG002 - for methods that draw a first picture
        prompt_embeds: Tensor,  # noqa: ARG002
        image: Frames | None,
    ) -> Frames | None:
        """The frames that the first chunk continues: None if it is drawn from text alone.

        Args:
            prompt_embeds: of the first chunk.
            image: one frame that the video is to begin with, if the user gave one.
        """
        return image

    @abstractmethod
    def draw(
        self,
        config: GenerationConfig,
        index: int,
        prompt_embeds: Tensor,
        known: Frames | None,
    ) -> Iterator[Step]:
        """Yields the latents (1, c, f, h, w) of a chunk after every denoising step.

        Args:
            known: the frames that it continues, and draws again as its first ones.
        """


class Remembering(Baseline):
    """Draws chunks that continue latents of the video, which are remembered with its first frame.

    The memory has a constant size. `chunking.overlap` is 1 for the first frame, which begins them.
    """

    memory_kind = LatentMemory

    @property
    def latents_together(self) -> int:
        return self.num_latents(self.chunking.new_frames)

    @abstractmethod
    def begin(self, config: GenerationConfig, image: Frames | None) -> LatentMemory:
        """The memory before the first chunk.

        Args:
            image: one frame that the video is to begin with, if the user gave one.
        """

    @abstractmethod
    def memory_of(self, config: GenerationConfig, frames: Frames) -> LatentMemory:
        """The memory of a video that has had these frames, one or as many as the first chunk."""

    @abstractmethod
    def draw(
        self, config: GenerationConfig, index: int, prompt_embeds: Tensor, memory: LatentMemory
    ) -> Iterator[Step]:
        """Yields the new latents (1, c, f, h, w) of a chunk after every denoising step."""

    @abstractmethod
    def remember(self, memory: LatentMemory, latents: Tensor) -> LatentMemory:
        """The memory after a chunk."""

    @abstractmethod
    def new_frames(self, memory: LatentMemory, index: int) -> Frames:
        """The frames that a chunk adds, decoded from the memory after it.

        Raises:
            FloatingPointError: pixels are no numbers.
        """


class WholeVideo(Baseline):
    """Denoises all frames of a video together, and decodes them chunk by chunk.

    Its memory grows with the length. An interrupted video is denoised again from its first step,
    with the same noise; it goes on where it was.
    """

    def __init__(
        self, preset: Preset, networks: Mapping[str, nn.Module], text_encoder: TextEncoder
    ):
        super().__init__(preset, networks, text_encoder)
        self._usual_chunks = preset.config(prompt="any").num_chunks

    @property
    def latents_together(self) -> int:
        return self.num_latents(self.chunking.num_frames(self._usual_chunks))

    @abstractmethod
    def draw_all(self, config: GenerationConfig, prompts: EncodedPrompts) -> Iterator[Step]:
        """Yields the latents (1, c, f, h, w) of the whole video after every denoising step."""


def chunk_generator(config: GenerationConfig, index: int, *details: str) -> torch.Generator:
    """A generator for one draw of a chunk, by the seed that counts there."""
    stage: Stage = "streaming_t2v" if index else "initialization"
    return noise_generator(config.seed_of(index), stage, index, *details)


def to_frames(pixels: Tensor) -> Frames:
    """Pixels (f, 3, H, W) of about [-1, 1] as frames.

    Raises:
        FloatingPointError: pixels are no numbers; as bytes they would be black.
    """
    if not pixels.isfinite().all():
        raise FloatingPointError("decoded pixels are no numbers")
    values = (pixels.float() / 2 + 0.5).clamp(0, 1).mul(255).round().byte()
    return values.movedim(1, -1).contiguous().cpu().numpy()
