"""`longtake train --arm`: other ways to condition chunks, trained in place of the CAM.

Every arm starts from the weights of `shapes` and learns from the same batches for as many steps. As
in the paper's ablation there is no APM. With injectors, the base model is frozen as in the paper:
only they and the extractor learn, which starts as a copy of the base model's encoder. Arms that
concatenate have no extractor: there the encoder itself learns, at the same rates. The arm `cam` is
the CAM itself from such a start: that of `shapes` has been trained for longer, with its base.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from t2v.models.cam import FeatureExtractor
from t2v.models.streaming_unet import StreamingUNet
from t2v.pipeline.arms import conditioning_parts, save_arm, with_conditioning
from t2v.pipeline.loading import load_stack
from t2v.pipeline.stack import Stack
from t2v.settings.conditionings import ARM_PRESET, find_conditioning
from t2v.settings.presets import find_preset
from t2v.training.base_stages import NEW_LAYER_RATE
from t2v.training.batches import scaled_size
from t2v.training.clips import FrozenEncoders, Rendered, draw_later_chunks
from t2v.training.denoiser import Denoiser, without_dropout
from t2v.training.loop import run_stage
from t2v.training.memory_stages import CamStage, MemoryStage
from t2v.training.options import STEPS
from t2v.training.stage import ParameterGroups
from t2v.worlds import world_of
from t2v.worlds.world import World


SEED = 0
ARM_STEPS_FACTOR_ON_CPU, ARM_BATCH_SCALE_ON_CPU = 4, 0.5  # more steps, of half a batch each


class ArmStage(MemoryStage):
    """Later chunks of the whole world; everything but the conditioning is frozen.

    Args:
        stack: with the arm's networks; those of `model`.
    """

    name = "arm"  # of every arm: batches are drawn by it
    learning_rate, last_rate = CamStage.learning_rate, CamStage.last_rate
    in_plain_world = False

    def __init__(self, model: Denoiser, encoders: FrozenEncoders, num_steps: int, stack: Stack):
        super().__init__(model, encoders, num_steps)
        self.stack = stack

    def draw(  # type: ignore[override] # later chunks only: the base learns nothing
        self, rng: np.random.Generator, batch_scale: float
    ) -> tuple[Rendered]:
        common = self.world, self.tokenizer, self.new_scene
        count = scaled_size(self.later_batch, batch_scale)
        later = draw_later_chunks(rng, count, *common, self.share_of_returns)
        return (later._replace(anchors=None),)

    def losses(self, batch: Sequence[Rendered]) -> dict[str, Tensor]:
        return self.loss_of(self.encoders.encode(batch[0], with_cond_frames=True), "later")

    def parameter_groups(self) -> ParameterGroups:
        unet, extractor = self.stack.unet, self.stack.extractor
        assert isinstance(unet, StreamingUNet)
        new = [*unet.injectors.parameters(), *unet.mid_injector.parameters()]
        if isinstance(extractor, FeatureExtractor):
            new += extractor.frame_encoder.parameters()
        else:
            new += unet.conv_in.parameters()
        known = set(map(id, new))
        trained = (one for part in conditioning_parts(self.stack) for one in part.parameters())
        copied = [parameter for parameter in trained if id(parameter) not in known]
        return [{"params": copied}, {"params": new, "rate": NEW_LAYER_RATE}]


def denoiser_of(stack: Stack, world: World) -> Denoiser:
    """The networks of a stack, as they are trained."""
    denoiser = Denoiser(world)
    denoiser.unet, denoiser.extractor = stack.unet, stack.extractor
    denoiser.anchor_tokens = stack.anchor_tokens
    return without_dropout(denoiser.to(stack.device))


def train_arm(arm: str, out: Path, work: Path, num_steps: int | None = None) -> None:
    """Trains an arm and writes what differs from the base, with a record of the training.

    Args:
        num_steps: by default those of the CAM in the recipe.

    Raises:
        CheckpointError: the bundled weights are missing or do not fit.
    """
    preset = find_preset(ARM_PRESET)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    base = load_stack(preset, device, torch.float32)
    world = world_of(preset.weights_folder)
    encoders = FrozenEncoders(
        base.autoencoder, base.text_encoder, base.image_encoder, device, world
    )
    torch.manual_seed(SEED)
    stack = with_conditioning(base, find_conditioning(arm))
    steps_factor, batch_scale = 1, 1.0
    if device.type != "cuda":
        steps_factor, batch_scale = ARM_STEPS_FACTOR_ON_CPU, ARM_BATCH_SCALE_ON_CPU
    if num_steps is None:
        num_steps = STEPS["cam"] * steps_factor
    stage = ArmStage(denoiser_of(stack, world), encoders, num_steps, stack)
    trained = [one for group in stage.parameter_groups() for one in group["params"]]
    record = {
        "arm": arm,
        "steps": num_steps,
        "batch": scaled_size(stage.later_batch, batch_scale),
        "seed": SEED,
        "trained_parameters": sum(parameter.numel() for parameter in trained),
    }
    started = time.perf_counter()
    averaged = run_stage(stage, work / f"arm-{arm}", device, SEED, batch_scale)
    record["seconds"] = round(time.perf_counter() - started)  # since it was last started
    stack = replace(stack, unet=averaged.unet, extractor=averaged.extractor)
    save_arm(stack, base, preset, out, record)
