"""Stage 8: guidance distillation (Meng et al., 2023, Section 3.1).

Classifier-free guidance runs the network twice per step, with and without the conditions. A copy
learns to predict the guided output in one run: a chunk then costs half as much.
"""

from copy import deepcopy
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from t2v.training.clips import FrozenEncoders, Rendered
from t2v.training.denoiser import Denoiser
from t2v.training.diffusion import Noised
from t2v.training.memory_stages import WorldStage


GUIDANCE_SCALE = 3.0
SHARE_WITHOUT_APM = 0.2  # of batches, so that APM strength 0 still works


class GuidanceStage(WorldStage):
    """Learns the guided outputs of a frozen copy of its initial weights."""

    name = "guidance"
    learning_rate = 3e-4
    last_rate = 0.02
    image_batch, first_batch, later_batch = 24, 12, 4
    first_with_anchor = True
    powers: ClassVar = {"image": 1.0, "clip": 0.45}  # noisier again

    def __init__(self, model: Denoiser, encoders: FrozenEncoders, num_steps: int):
        super().__init__(model, encoders, num_steps)
        self.teacher = deepcopy(model).requires_grad_(False).eval()

    def draw(
        self, rng: np.random.Generator, batch_scale: float
    ) -> tuple[Rendered, Rendered, Rendered]:
        images, first, later = super().draw(rng, batch_scale)
        if rng.random() < SHARE_WITHOUT_APM:
            later = later._replace(anchors=None)
        return images, first, later

    @torch.no_grad()
    def target(self, noised: Noised) -> Tensor:
        """Guides as the pipeline does: away from no text and, with an anchor, from a grey one."""
        latents, timesteps, text, memories, _ = noised
        without = dict(memories)
        if "anchor_embeds" in memories:
            without["anchor_embeds"] = self.null_embed.expand_as(memories["anchor_embeds"])
        null_text = self.encoders.text(self.null_ids).expand_as(text)
        uncond = self.teacher(latents, timesteps, null_text, **without)
        cond = self.teacher(latents, timesteps, text, **memories)
        return torch.lerp(uncond.float(), cond.float(), GUIDANCE_SCALE)
