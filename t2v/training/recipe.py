"""`longtake train`: all stages, from untrained networks to the weights of an embedded stack.

renderer -> autoencoder -> probe -> small CLIP -> images -> clips -> CAM -> APM -> world ->
guidance -> refiner. Every stage writes `<work>/<stage>.pt`, `.jsonl` (log) and `.png` (samples). A
killed training continues from its last checkpoint.
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from t2v.errors import ConfigError
from t2v.models.autoencoder import FrameAutoencoder
from t2v.models.checkpoints import load_weights, quantize_weights
from t2v.models.networks import read_json
from t2v.pipeline.loading import load_stack
from t2v.pipeline.refiner_loading import load_refiner
from t2v.settings.presets import find_preset, named_preset
from t2v.training.autoencoder import AutoencoderStage, psnr, standardise
from t2v.training.base_stages import ClipsStage, ImagesStage, image_adherence
from t2v.training.clips import FrozenEncoders
from t2v.training.denoiser import Denoiser
from t2v.training.distillation import GuidanceStage
from t2v.training.encoders import EncodersStage, SmallCLIP, recall
from t2v.training.export import Quality
from t2v.training.loop import run_stage
from t2v.training.memory_stages import ApmStage, CamStage, WorldStage
from t2v.training.options import STEPS, BaseModelName, check_until, parse_steps
from t2v.training.probe import Probe, ProbeStage, accuracy
from t2v.training.refiner import RefinerStage
from t2v.training.stage import M, Stage
from t2v.training.warm_start import start_from, weights_of
from t2v.worlds.world import World


class DenoiserStageClass(Protocol):
    """A stage of the denoiser, by its class."""

    def __call__(
        self, model: Denoiser, encoders: FrozenEncoders, num_steps: int
    ) -> Stage[Denoiser]: ...


DIFFUSION_STAGES: dict[str, DenoiserStageClass] = {
    "images": ImagesStage,
    "clips": ClipsStage,
    "cam": CamStage,
    "apm": ApmStage,
    "world": WorldStage,
    "guidance": GuidanceStage,
}
SEED = 0
GPU_BATCHES = 4.0  # a step; measured in docs/log.md. CPUs take one
GPU_BATCHES_OF_ENCODERS = 2.0  # CPUs cannot draw more captions in the time of a step
STEPS_FACTOR_ON_CPU = 2  # of the diffusion stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What is trained, and where the results go."""

    world: str  # name of the world that the stack learns
    out: Path  # folder of the weights
    work: Path  # folder of checkpoints, logs and samples
    steps: dict[str, int]  # of each stage
    until: str  # the last stage
    base: BaseModelName = "unet"
    start_from: str | None = None  # preset of the weights that the denoiser begins with
    trained: Path | None = None  # folder of weights that has autoencoder, probe and encoders
    batches: int | None = None  # per step, of all processes; None: as many as suit the device


@dataclass
class Recipe:
    """Trains the networks of one stack, stage after stage."""

    training: Training
    world: World
    device: torch.device
    num_processes: int  # that draw a part of every batch each
    networks: dict[str, nn.Module] = field(default_factory=dict)  # trained, by their folders
    tokenizer: PreTrainedTokenizerFast | None = None
    quality: Quality = field(default_factory=dict)

    @property
    def stages(self) -> list[str]:
        """The stages that are run, in order."""
        names = list(STEPS)
        names = names[: names.index(self.training.until) + 1]
        return [name for name in names if self.steps[name]]

    @property
    def steps(self) -> dict[str, int]:
        return self.training.steps

    def train(self) -> None:
        if self.training.trained is not None:  # measured when they were trained
            self.quality |= read_json(self.training.trained / "quality.json")
        autoencoder = self._train_autoencoder()
        if "probe" in self.stages:
            self._train_probe(autoencoder)
        if "encoders" in self.stages:
            clip = self._train_encoders()
            encoders = FrozenEncoders(autoencoder, clip.text, clip.image, self.device, self.world)
            self._train_denoiser(encoders)
            if "refiner" in self.stages:
                self._train_refiner(encoders)

    def _run(self, stage: Stage[M], gpu_batches: float = GPU_BATCHES) -> M:
        batches = self.training.batches or (gpu_batches if self.device.type == "cuda" else 1)
        batch_scale = batches / self.num_processes
        return run_stage(stage, self.training.work, self.device, SEED, batch_scale)

    def _run_or_load(
        self, stage: Stage[M], networks: dict[str, nn.Module], gpu_batches: float = GPU_BATCHES
    ) -> M:
        """Trains a stage, or takes its networks (of the stage's model, by folder) as they are."""
        if self.training.trained is None:
            model = self._run(stage, gpu_batches)
            quantize_weights(model)  # measured and used as they are stored
            return model
        for name, network in networks.items():
            load_weights(network, self.training.trained / name)
        return stage.model.to(self.device)

    def _train_autoencoder(self) -> FrameAutoencoder:
        stage = AutoencoderStage(self.world, self.steps["autoencoder"], self.device)
        autoencoder = self._run_or_load(stage, {"autoencoder": stage.model.vae}).eval()
        autoencoder = standardise(autoencoder, self.world, self.device)
        if self.training.trained is None:
            self.quality["autoencoder"] = psnr(autoencoder, self.world, self.device)
        self.networks["autoencoder"] = autoencoder.vae
        return autoencoder

    def _train_probe(self, autoencoder: FrameAutoencoder) -> None:
        stage = ProbeStage(self.world, self.steps["probe"], self.device)
        probe = self._run_or_load(stage, {"probe": stage.model}).eval()
        if self.training.trained is None:
            restore = partial(_restore, autoencoder)
            self.quality["probe"] = accuracy(probe, self.device)
            self.quality["probe_on_decoded"] = accuracy(probe, self.device, restore=restore)
        self.networks["probe"] = probe

    def _train_encoders(self) -> SmallCLIP:
        stage = EncodersStage(self.world, self.steps["encoders"], self.device)
        encoders = {
            "text_encoder": stage.model.text.model,
            "image_encoder": stage.model.image.model,
        }
        clip = self._run_or_load(stage, encoders, GPU_BATCHES_OF_ENCODERS).eval()
        if self.training.trained is None:
            self.quality["encoders"] = recall(clip, self.world, self.device)
        self.networks |= {"text_encoder": clip.text.model, "image_encoder": clip.image.model}
        self.tokenizer = clip.text.tokenizer
        return clip

    def _train_denoiser(self, encoders: FrozenEncoders) -> None:
        stages = [name for name in DIFFUSION_STAGES if name in self.stages]
        if not stages and self.training.start_from is None:
            return
        denoiser = Denoiser(self.world, self.training.base).to(self.device)
        if self.training.start_from is not None:
            trained = find_preset(self.training.start_from)
            start_from(denoiser, weights_of(load_stack(trained, self.device, torch.float32)))
        for name in stages:
            stage = DIFFUSION_STAGES[name](denoiser, encoders, self.steps[name])
            denoiser = self._run(stage)
            if isinstance(stage, ImagesStage):
                probe = self.networks["probe"]
                self.quality["images"] = image_adherence(stage, denoiser, cast(Probe, probe))
        self.networks |= {
            "unet": denoiser.unet,
            "extractor": denoiser.extractor,
            "anchor_tokens": denoiser.anchor_tokens,
        }

    def _train_refiner(self, encoders: FrozenEncoders) -> None:
        settings = named_preset(self.training.world).refiner
        if settings is None:
            raise ConfigError(f"the {self.training.world} preset has no refiner")
        stage = RefinerStage(encoders, self.steps["refiner"], settings)
        if self.training.start_from is not None:
            trained = find_preset(self.training.start_from)
            if not trained.refiner_unavailable:
                start_from(stage.model, load_refiner(trained, self.device).unet.state_dict())
        self.networks["refiner"] = self._run(stage)


def _restore(
    autoencoder: FrameAutoencoder, pixels: Float[Tensor, "n 3 h w"]
) -> Float[Tensor, "n 3 h w"]:
    """Encodes and decodes pixels."""
    return autoencoder.reconstruct(autoencoder.posterior(pixels).mean).clamp(-1, 1)


def training_steps(changes: list[str], until: str | None) -> tuple[dict[str, int], str]:
    """Reads numbers of steps and the last stage from the command line.

    Raises:
        ConfigError: see `check_until` and `parse_steps`.
    """
    until, asked = check_until(until), parse_steps(changes)
    factor = 1 if torch.cuda.is_available() else STEPS_FACTOR_ON_CPU
    steps = {name: n * factor if name in DIFFUSION_STAGES else n for name, n in STEPS.items()}
    return steps | asked, until
