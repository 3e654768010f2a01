"""`longtake train --arm`: other ways to condition chunks, trained as twins of the CAM.

Every arm starts from the bundled weights and learns from the same batches for as many steps. As in
the paper, the base model is frozen, and the APM with it: only the injectors and the extractor,
which starts as a copy of the base model's encoder, are trained. The arm `cam` is the CAM itself
from such a start: the bundled one has been trained for longer, together with its base.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from t2v.models.streaming_unet import StreamingUNet
from t2v.pipeline.loading import load_stack
from t2v.pipeline.stack import Stack
from t2v.settings.presets import find_preset
from t2v.training.base_stages import NEW_LAYER_RATE
from t2v.training.batches import part
from t2v.training.clips import Rendered, Teachers, draw_later_chunks
from t2v.training.denoiser import Denoiser, split_by_name, without_dropout
from t2v.training.export import write_network
from t2v.training.loop import run_stage
from t2v.training.memory_stages import CamStage
from t2v.training.options import ARM_INJECTORS, STEPS
from t2v.training.stage import ParameterGroups
from t2v.worlds import world_of
from t2v.worlds.world import World


SEED = 0
INJECTORS = ("injector",)  # in the names of a UNet's parameters
MORE_ON_CPUS = 2  # steps: CPUs take one batch a step


class ArmStage(CamStage):
    """Later chunks of the whole world; everything but the conditioning is frozen."""

    name = "arm"  # of every arm: batches are drawn by it
    in_plain_world = False

    def draw(  # type: ignore[override] # later chunks only: the base learns nothing
        self, rng: np.random.Generator, share: float
    ) -> tuple[Rendered]:
        common = self.world, self.tokenizer, self.new_scene
        count = part(self.later_batch, share)
        later = draw_later_chunks(rng, count, *common, self.share_of_returns)
        return (later._replace(anchors=None),)

    def losses(self, batch: Sequence[Rendered]) -> dict[str, Tensor]:
        return self.loss_of(self.teachers.encode(batch[0], with_cond_frames=True), "later")

    def parameter_groups(self) -> ParameterGroups:
        injectors, _ = split_by_name(self.model.unet, INJECTORS)
        new = [*injectors, *self.model.extractor.frame_encoder.parameters()]
        copied = split_by_name(self.model.extractor, ("frame_encoder",))[1]
        return [{"params": copied}, {"params": new, "rate": NEW_LAYER_RATE}]


def with_injector(stack: Stack, world: World, kind: str) -> Denoiser:
    """The networks of a stack with new, untrained conditioning: they draw as without the CAM."""
    config = dict(stack.unet.config) | {"injector": kind}
    config.pop("_use_default_values", None)  # it would win over the injector
    unet = StreamingUNet.from_config(config)
    assert isinstance(unet, StreamingUNet)
    kept = {
        name: tensor
        for name, tensor in stack.unet.state_dict().items()
        if not any(part in name for part in INJECTORS)
    }
    unet.load_state_dict(kept, strict=False)
    denoiser = Denoiser(world)
    denoiser.unet, denoiser.anchor_tokens = unet, stack.anchor_tokens
    return without_dropout(denoiser.to(stack.device))


def train_arm(arm: str, out: Path, work: Path, num_steps: int | None = None) -> None:
    """Trains an arm and writes a folder of weights that a preset can name.

    Args:
        num_steps: by default those of the CAM in the recipe.

    Raises:
        CheckpointError: the bundled weights are missing or do not fit.
    """
    preset = find_preset("shapes")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    stack = load_stack(preset, device, torch.float32)
    world = world_of(preset.weights_folder)
    teachers = Teachers(stack.autoencoder, stack.text_encoder, stack.image_encoder, device, world)
    torch.manual_seed(SEED)
    denoiser = with_injector(stack, world, ARM_INJECTORS[arm])
    if num_steps is None:
        num_steps = STEPS["cam"] * (1 if device.type == "cuda" else MORE_ON_CPUS)
    stage = ArmStage(denoiser, teachers, num_steps)
    trained = run_stage(stage, work / f"arm-{arm}", device, SEED)
    shutil.copytree(preset.weights_folder, out, dirs_exist_ok=True)
    write_network(trained.unet, out / "unet")
    write_network(trained.extractor, out / "extractor")
