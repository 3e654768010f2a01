"""A small classifier of frames, trained on renders: it measures what the samples show.

It reads shape, colour, second colour, background and its pattern, whether the object is there, and
its place. Of two objects it is shown one alone. Used by the evaluation only; no sample is ever
shown to it while the stack is trained.
"""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits, cross_entropy

from t2v.models.autoencoder import to_pixels
from t2v.training.batches import mean_of, part, to_device
from t2v.training.captions import BACKGROUNDS, COLOURS, PATTERN_PHRASES, SHAPES
from t2v.training.drawing import draw
from t2v.training.world import sample_scene


BATCH = 64
CLASSES = {
    "shape": tuple(SHAPES),
    "colour": tuple(COLOURS),
    "second_colour": (*COLOURS, "none"),
    "background": tuple(BACKGROUNDS),
    "pattern": tuple(PATTERN_PHRASES),
}
OF_THE_WALL = ("background", "pattern")  # seen also where no object is
UPPER, LOWER = 0, 1
GREY = 128


class Probe(nn.Module):
    """A few convolutions; what the object is, is asked of the strongest answer anywhere."""

    def __init__(self, width: int = 32):
        super().__init__()
        layers, channels = [], 5
        for out, stride in ((1, 2), (1, 1), (2, 2), (2, 1), (4, 2), (4, 1)):
            layers += [nn.Conv2d(channels, out * width, 3, stride=stride, padding=1)]
            layers += [nn.GroupNorm(8, out * width), nn.SiLU()]
            channels = out * width
        self.features = nn.Sequential(*layers)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(2 * channels, len(options)) for name, options in CLASSES.items()}
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

    def __init__(self, num_steps: int, device: torch.device):
        self.num_steps = num_steps
        self.device = device
        self.model = Probe()

    def parameter_groups(self) -> list[dict]:
        return [{"params": list(self.model.parameters())}]

    def draw(self, rng: np.random.Generator, share: float):
        pixels, truth = probe_batch(rng, part(BATCH, share))
        if rng.random() < 0.5:
            pixels = torch.lerp(pixels, avg_pool2d(pixels, 3, 1, 1), float(rng.random()))
        noise = torch.from_numpy(rng.standard_normal(pixels.shape, np.float32))
        return pixels + noise * float(rng.uniform(0, 0.06)), truth

    def losses(self, batch) -> dict[str, Tensor]:
        pixels, truth = batch
        answers = {name: value.float() for name, value in self.model(pixels).items()}

        seen = truth["visible"]
        everywhere = torch.ones_like(seen)
        losses = {
            name: mean_of(
                cross_entropy(answers[name], truth[name], reduction="none"),
                everywhere if name in OF_THE_WALL else seen,
            )
            for name in CLASSES
        }
        away = (answers["centre"] - truth["centre"]).abs().mean(dim=1)
        losses["centre"] = mean_of(away, seen) * 4
        doubt = binary_cross_entropy_with_logits(
            answers["visible"][:, 0], seen.float(), reduction="none"
        )
        losses["visible"] = mean_of(doubt, truth["decided"])
        return {"loss": sum(losses.values()), **losses}

    def sheet(self, model: Probe) -> UInt8[np.ndarray, "h w 3"]:
        """The frames whose shape it got wrong, out of 512 held-out ones (black: fewer than 24)."""
        pixels, truth = to_device(probe_batch(np.random.default_rng(7), 512), self.device)
        wrong = (model(pixels)["shape"].argmax(1) != truth["shape"]) & truth["visible"]
        picture = torch.zeros(24, 3, *pixels.shape[-2:], device=self.device)
        found = ((pixels[wrong][:24] + 1) / 2).clamp(0, 1)
        picture[: len(found)] = found
        grid = picture.view(2, 12, 3, 64, 64).permute(0, 3, 1, 4, 2).reshape(128, 768, 3)
        return (grid * 255).byte().cpu().numpy()


def probe_batch(
    rng: np.random.Generator, count: int
) -> tuple[Float[Tensor, "n 3 h w"], dict[str, Tensor]]:
    """Frames and the truth about them. `decided`: not half in, half out of the picture.

    Every fourth is one half of a picture with two objects.
    """
    scenes = [sample_scene(rng, pair=i % 4 == 3) for i in range(count)]
    times = rng.integers(0, 200, (count, 1)).astype(float)
    frames = draw(scenes, times)[:, 0]
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
                options.index(getattr(s, name) or "none")
                for s in (scenes if name in OF_THE_WALL else objects)
            ]
        )
        for name, options in CLASSES.items()
    }
    visible = np.array([s.plainly_visible(t)[0] for s, t in moments])
    hidden = np.array([s.hidden(t)[0] for s, t in moments])
    truth["visible"] = torch.tensor(visible)
    truth["decided"] = torch.tensor(visible | hidden)
    truth["centre"] = torch.tensor(np.stack([s.centre(t)[0] for s, t in moments])).float()
    return to_pixels(frames), truth


def alone(frames, half: int):
    """UPPER or LOWER half of frames (... h w 3), the other painted grey."""
    frames = frames.clone() if isinstance(frames, Tensor) else frames.copy()
    middle = frames.shape[-3] // 2
    hidden = slice(middle, None) if half == UPPER else slice(middle)
    frames[..., hidden, :, :] = GREY
    return frames


@torch.no_grad()
def accuracy(probe: Probe, device: torch.device, count: int = 2048) -> dict[str, float]:
    """Share of right answers on held-out renders; `centre`: mean error in picture sides."""
    pixels, truth = to_device(probe_batch(np.random.default_rng(8), count), device)
    answers = probe(pixels)
    seen = truth["visible"]
    result = {
        name: float((answers[name].argmax(1) == truth[name])[seen].float().mean())
        for name in CLASSES
    }
    decided = truth["decided"]
    found = answers["visible"][:, 0] > 0
    result["visible"] = float((found == seen)[decided].float().mean())
    result["centre"] = float((answers["centre"] - truth["centre"])[seen].abs().mean())
    return result
