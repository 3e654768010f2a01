"""The probe: a small classifier of frames, trained on renders. The evaluation measures with it.

It predicts every attribute of its world that has a name, whether the object is visible, and its
place. Of two objects it gets one alone. It is never trained on samples of a stack.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import Any, TypeVar

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits, cross_entropy

from t2v.models.autoencoder import to_pixels
from t2v.training.batches import mean_of, scaled_size, to_device
from t2v.training.stage import ParameterGroups
from t2v.worlds.world import NUM_TRAINING_FRAMES, World


BATCH = 64
WIDTH = 32  # channels of the first layer
UPPER, LOWER = 0, 1
GREY = 128
PixelsAndTruth = tuple[Float[Tensor, "n 3 h w"], dict[str, Tensor]]
Frames = TypeVar("Frames", Tensor, np.ndarray)


class Probe(nn.Module):
    """A few convolutions; the classes of the object come from the maximum over all places."""

    def __init__(self, world: World):
        super().__init__()
        self.world = world
        layers: list[nn.Module] = []
        channels = 5
        for out, stride in ((1, 2), (1, 1), (2, 2), (2, 1), (4, 2), (4, 1)):
            layers += [nn.Conv2d(channels, out * WIDTH, 3, stride=stride, padding=1)]
            layers += [nn.GroupNorm(8, out * WIDTH), nn.SiLU()]
            channels = out * WIDTH
        self.features = nn.Sequential(*layers)
        self.heads = nn.ModuleDict(
            {
                name: nn.Linear(2 * channels, len(options))
                for name, options in world.probe_classes.items()
            }
        )
        self.heads["visible"] = nn.Linear(2 * channels, 1)
        self.centre = nn.Linear(channels * 64, 2)

    def forward(self, pixels: Float[Tensor, "n 3 h w"]) -> dict[str, Tensor]:
        """Logits per class name; `visible` (n, 1) logit; `centre` (n, 2) x, y in picture sides."""
        n, _, h, w = pixels.shape
        line = torch.linspace(-1, 1, w, device=pixels.device)
        place = torch.stack([line.expand(h, w), line[:, None].expand(h, w)]).expand(n, -1, -1, -1)
        features = self.features(torch.cat([pixels, place], dim=1))
        pooled = torch.cat([features.amax(dim=(2, 3)), features.mean(dim=(2, 3))], dim=1)
        answers = {name: head(pooled) for name, head in self.heads.items()}
        return {**answers, "centre": self.centre(features.flatten(1))}


class ProbeStage:
    """Cross-entropy on renders that are sharp, a little blurred, or a little noisy."""

    name = "probe"
    learning_rate = 2e-3
    last_rate = 0.02

    def __init__(self, world: World, num_steps: int, device: torch.device):
        self.world = world
        self.num_steps = num_steps
        self.device = device
        self.model = Probe(world)

    def parameter_groups(self) -> ParameterGroups:
        return [{"params": list(self.model.parameters())}]

    def draw(self, rng: np.random.Generator, batch_scale: float) -> PixelsAndTruth:
        pixels, truth = probe_batch(self.world, rng, scaled_size(BATCH, batch_scale))
        if rng.random() < 0.5:
            pixels = torch.lerp(pixels, avg_pool2d(pixels, 3, 1, 1), float(rng.random()))
        noise = torch.from_numpy(rng.standard_normal(pixels.shape, np.float32))
        return pixels + noise * float(rng.uniform(0, 0.06)), truth

    def losses(self, batch: Sequence[Any]) -> dict[str, Tensor]:
        pixels, truth = batch
        answers = {name: value.float() for name, value in self.model(pixels).items()}

        seen = truth["visible"]
        everywhere = torch.ones_like(seen)
        losses = {
            name: mean_of(
                cross_entropy(answers[name], truth[name], reduction="none"),
                everywhere if name in self.world.scene_classes else seen,
            )
            for name in self.world.probe_classes
        }
        distance = (answers["centre"] - truth["centre"]).abs().mean(dim=1)
        losses["centre"] = mean_of(distance, seen) * 4
        error = binary_cross_entropy_with_logits(
            answers["visible"][:, 0], seen.float(), reduction="none"
        )
        losses["visible"] = mean_of(error, truth["decided"])
        return {"loss": reduce(add, losses.values()), **losses}

    def sheet(self, model: Probe) -> UInt8[np.ndarray, "h w 3"]:
        """Draws 24 of 512 held-out frames with a wrong first class (black: there are fewer)."""
        pixels, truth = to_device(
            probe_batch(self.world, np.random.default_rng(7), 512), self.device
        )
        [first, *_] = self.world.probe_classes
        wrong = (model(pixels)[first].argmax(1) != truth[first]) & truth["visible"]
        picture = torch.zeros(24, 3, *pixels.shape[-2:], device=self.device)
        found = ((pixels[wrong][:24] + 1) / 2).clamp(0, 1)
        picture[: len(found)] = found
        grid = rearrange(picture, "(r c) d h w -> (r h) (c w) d", c=12)
        return (grid * 255).byte().cpu().numpy()


def probe_batch(world: World, rng: np.random.Generator, count: int) -> PixelsAndTruth:
    """Draws frames and the truth about them. `decided`: clearly visible or clearly hidden.

    In worlds with pairs, every fourth frame is one half of a picture with two objects.
    """
    has_pairs = bool(world.pair_motions)
    scenes = [world.sample(rng, pair=has_pairs and i % 4 == 3) for i in range(count)]
    times = rng.integers(0, NUM_TRAINING_FRAMES, (count, 1)).astype(float)
    frames = world.draw(scenes, times)[:, 0]
    objects = list(scenes)
    for i, scene in enumerate(scenes):
        if scene.companion:
            half = int(rng.integers(2))
            frames[i] = alone(frames[i], half)
            objects[i] = (scene, scene.companion)[half]
    moments = list(zip(objects, times, strict=True))
    truth = {
        name: torch.tensor(
            [
                options.index(world.truth(scene, name))
                for scene in (scenes if name in world.scene_classes else objects)
            ]
        )
        for name, options in world.probe_classes.items()
    }
    visible = np.array([s.plainly_visible(t)[0] for s, t in moments])
    hidden = np.array([s.hidden(t)[0] for s, t in moments])
    truth["visible"] = torch.tensor(visible)
    truth["decided"] = torch.tensor(visible | hidden)
    truth["centre"] = torch.tensor(np.stack([s.centre(t)[0] for s, t in moments])).float()
    return to_pixels(frames), truth


def alone(frames: Frames, half: int) -> Frames:
    """Copies frames (... h w 3) with the UPPER or LOWER half, and paints the other half grey."""
    copy = frames.clone() if isinstance(frames, Tensor) else frames.copy()
    middle = frames.shape[-3] // 2
    hidden = slice(middle, None) if half == UPPER else slice(middle)
    copy[..., hidden, :, :] = GREY
    return copy


@torch.no_grad()
def accuracy(
    probe: Probe,
    device: torch.device,
    count: int = 2048,
    restore: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, float]:
    """Share of right answers on held-out renders; `centre`: mean error in picture sides.

    Args:
        restore: applied to the pixels before the probe gets them.
    """
    batch = probe_batch(probe.world, np.random.default_rng(8), count)
    pixels, truth = to_device(batch, device)
    if restore is not None:
        pixels = torch.cat([restore(some) for some in pixels.split(256)])
    answers = probe(pixels)
    seen = truth["visible"]
    result = {}
    for name in probe.world.probe_classes:
        is_right = answers[name].argmax(1) == truth[name]
        result[name] = float(is_right[seen].float().mean())
    decided = truth["decided"]
    found = answers["visible"][:, 0] > 0
    result["visible"] = float((found == seen)[decided].float().mean())
    result["centre"] = float((answers["centre"] - truth["centre"])[seen].abs().mean())
    return result
