"""Stage 8: guidance goes into the weights (Meng et al., 2023, Section 3.1).

Classifier-free guidance asks the network twice at every step, with what it is told and without. A
copy learns to say at once what the two say together: a chunk then costs half as much.
"""

from copy import deepcopy
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from t2v.training.clips import Rendered, Teachers
from t2v.training.diffusion import Denoiser, WorldStage


GUIDANCE_SCALE = 3.0
SHARE_WITHOUT_APM = 0.2  # of batches, so that strength 0 stays what it was


class GuidanceStage(WorldStage):
    """Learns the guided outputs of the network that it begins as."""

    name = "guidance"
    learning_rate = 3e-4
    last_rate = 0.02
    image_batch, first_batch, later_batch = 24, 12, 4
    first_with_anchor = True
    powers: ClassVar = {"image": 1.0, "clip": 0.45}  # noisier still

    def __init__(self, model: Denoiser, teachers: Teachers, num_steps: int):
        super().__init__(model, teachers, num_steps)
        self.guide = deepcopy(model).requires_grad_(False).eval()

    def draw(self, rng: np.random.Generator, share: float) -> tuple[Rendered, Rendered, Rendered]:
        images, first, later = super().draw(rng, share)
        if rng.random() < SHARE_WITHOUT_APM:
            later = later._replace(anchors=None)
        return images, first, later

    @torch.no_grad()
    def target(
        self, velocity: Tensor, noisy: Tensor, timesteps: Tensor, text: Tensor, memories: dict
    ) -> Tensor:
        """As the pipeline guides: away from no text and, where there is an anchor, a grey one."""
        without = dict(memories)
        if "anchor_embeds" in memories:
            without["anchor_embeds"] = self.null_embed.expand_as(memories["anchor_embeds"])
        null_text = self.teachers.text(self.null_ids).expand_as(text)
        uncond = self.guide(noisy, timesteps, null_text, **without)
        cond = self.guide(noisy, timesteps, text, **memories)
        return torch.lerp(uncond.float(), cond.float(), GUIDANCE_SCALE)
