"""The arms by name: what each one is. How it draws is in `drawing`, which loads torch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from t2v.errors import ConfigError
from t2v.settings.chunking import Chunking
from t2v.settings.presets import named_preset


Kind = Literal["trained", "training-free", "control", "reference", "baseline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to make a video of a prompt and a seed.

    Args:
        kind: "trained": it uses a memory that was trained for it; "training-free": the same
            network, used in another way; "control": a wrong video, that a metric must not prefer;
            "reference": a right one; "baseline": another model, as it is.
        about: what it does, and what differs from the method that it stands for.
        memories: the trained memories that it uses, of "cam" and "apm".
        shares_first_chunk: whether it continues the first chunk that all others continue.
        overlap: frames that a chunk shares with the one before; None: as many as the stack's.
        whole: the video is drawn at once, so that its memory grows with the length.
        refined: its frames have the size of the refiner, which it needs.
        needs: "world": scenes that can be rendered; "baseline": the weights of another preset;
            "training": weights of `longtake train --arm`; "" for none of them.
        preset: the preset of a baseline, which draws its own first chunk, at its own size.
        conditioning: the name under which `longtake train --arm` trains it.
        cost: about how long it draws at the new frames of one chunk of CAM, in times of that chunk;
            for the estimate of the time.
    """

    kind: Kind
    about: str
    memories: tuple[str, ...] = ()
    shares_first_chunk: bool = True
    overlap: int | None = None
    whole: bool = False
    refined: bool = False
    needs: Literal["world", "baseline", "training", ""] = ""
    preset: str = ""
    conditioning: str = ""
    cost: float = 1.0

    def chunking(self, stack: Chunking) -> Chunking:
        """The geometry of its chunks, on a stack with chunks of another."""
        if self.preset:
            return named_preset(self.preset).chunking
        if self.overlap is None or not stack.overlap:  # Helios draws no frame again
            return stack
        return Chunking(stack.chunk_frames, self.overlap)


def baseline(preset: str, cost: float, about: str, whole: bool = False) -> Arm:
    """An arm that is another model, made by its preset."""
    return Arm(
        kind="baseline",
        about=about,
        shares_first_chunk=False,
        needs="baseline",
        preset=preset,
        cost=cost,
        whole=whole,
    )


def rival(name: str, about: str, overlap: int | None = None, cost: float = 0.7) -> Arm:
    """An arm that is trained in place of the CAM; without APM, as the paper compares them."""
    return Arm(
        kind="trained",
        about=about,
        memories=("cam",),
        overlap=overlap,
        needs="training",
        conditioning=name,
        cost=cost,
    )


BOTH = ("cam", "apm")
ARMS: dict[str, Arm] = {
    "cam": Arm(
        kind="trained",
        memories=BOTH,
        about="StreamingT2V: CAM reads the last 8 frames, APM the first frame",
    ),
    "no-apm": Arm(kind="trained", memories=("cam",), about="CAM alone, APM strength 0"),
    "no-cam": Arm(
        kind="trained",
        memories=("apm",),
        cost=0.7,
        about="naive continuation: every chunk from text and anchor frame, without CAM",
    ),
    "restart": Arm(
        kind="training-free",
        cost=1.7,
        about="naive restart: every chunk is a new video of the prompt, without either memory",
    ),
    "last-frame": Arm(
        kind="trained",
        memories=BOTH,
        about="CAM reads the last frame only, 8 times; not trained for it",
    ),
    "cam-1": Arm(
        kind="trained",
        memories=BOTH,
        overlap=1,
        cost=0.6,
        about="CAM with 1 conditioning frame, 15 new frames a chunk; not trained for it",
    ),
    "cam-2": Arm(
        kind="trained",
        memories=BOTH,
        overlap=2,
        cost=0.6,
        about="CAM with 2 conditioning frames, 14 new frames a chunk; not trained for it",
    ),
    "cam-4": Arm(
        kind="trained",
        memories=BOTH,
        overlap=4,
        cost=0.7,
        about="CAM with 4 conditioning frames, 12 new frames a chunk; not trained for it",
    ),
    "replacement": Arm(
        kind="training-free",
        memories=("apm",),
        cost=0.7,
        about="the 8 known frames are held on their noised path (Ho et al., 2022), without CAM",
    ),
    "last-anchor": Arm(
        kind="training-free",
        memories=("apm",),
        overlap=1,
        cost=0.4,
        about="the last frame is held as frame 0 and is the anchor: the kind of I2VGen-XL and SVD, "
        "which are trained for it",
    ),
    "gen-l": Arm(
        kind="training-free",
        shares_first_chunk=False,
        whole=True,
        cost=0.8,
        about="Gen-L-Video: windows over the whole video, 8 apart, predictions averaged",
    ),
    "freenoise": Arm(
        kind="training-free",
        shares_first_chunk=False,
        whole=True,
        cost=1.5,
        about="FreeNoise: windows 4 apart and shuffled noise; predictions of the whole network are "
        "fused, not its temporal attention, because frame numbers count within a window",
    ),
    "cam-twin": rival("cam", "CAM without APM, trained anew as long as the rivals below", cost=1.0),
    "add-cond": rival(
        "add-cond", "Add-Cond: features of the extractor are added to the skips", cost=1.0
    ),
    "conc-cond": rival(
        "conc-cond", "Conc-Cond: latents of the 8 known frames and a mask, beside the noisy ones"
    ),
    "sparse-cond": rival(
        "sparse-cond",
        "the kind of SparseCtrl: Add-Cond whose extractor does not see the noisy latents",
        cost=1.0,
    ),
    "masked-frames": rival(
        "masked-frames", "the kind of SEINE and OpenSora: Conc-Cond, trained with 1 to 8 frames"
    ),
    "repeated-frame": rival(
        "repeated-frame",
        "the kind of I2VGen-XL, SVD, DynamiCrafter: the latent of the last frame beside all frames",
        overlap=1,
        cost=0.4,
    ),
    "no-cond": rival(
        "no-cond", "no conditioning: the base model alone, trained as long as its rivals"
    ),
    # Their costs are guesses, from published times at full size.
    "svd": baseline("svd", 1.0, "Stable Video Diffusion, 14 frames, continued from its last one"),
    "svd-xt": baseline("svd-xt", 1.0, "SVD-XT, 25 frames, continued from its last one"),
    "i2vgen-xl": baseline("i2vgen-xl", 2.8, "I2VGen-XL, continued from its last frame"),
    "sparsectrl": baseline(
        "sparsectrl", 1.3, "SparseCtrl on AnimateDiff, steered by its last 8 frames"
    ),
    "freenoise-animatediff": baseline(
        "freenoise", 1.3, "FreeNoise itself, on AnimateDiff: the whole video at once", whole=True
    ),
    "framepack": baseline(
        "framepack", 1.8, "FramePack F1 on HunyuanVideo, with its first frame and last 19 latents"
    ),
    "skyreels-v2": baseline(
        "skyreels-v2", 22.0, "SkyReels-V2 Diffusion Forcing 1.3B, continued from its last 17 frames"
    ),
    "real": Arm(
        kind="reference",
        shares_first_chunk=False,
        needs="world",
        cost=0.1,
        about="a rendered video of the same caption",
    ),
    "shuffled": Arm(
        kind="control",
        shares_first_chunk=False,
        whole=True,
        cost=0.1,
        about="the chunks of `real` in another order (of `cam` where nothing can be rendered)",
    ),
    "frozen": Arm(kind="control", cost=0.0, about="the last frame of the first chunk, for ever"),
    "real-large": Arm(
        kind="reference",
        shares_first_chunk=False,
        refined=True,
        needs="world",
        cost=0.2,
        about="a rendered video of the same caption, of the refined size",
    ),
    "shuffled-large": Arm(
        kind="control",
        shares_first_chunk=False,
        whole=True,
        refined=True,
        cost=0.2,
        about="the chunks of `real-large` in another order (of `cam`, larger, where nothing can be "
        "rendered)",
    ),
    "frozen-large": Arm(
        kind="control",
        refined=True,
        cost=0.0,
        about="the last frame of the first chunk, larger, for ever",
    ),
    "upscaled": Arm(
        kind="reference", refined=True, cost=0.1, about="the video of `cam`, larger, not refined"
    ),
    "independent": Arm(
        kind="training-free",
        refined=True,
        cost=1.6,
        about="B: refined in chunks with noise of their own, concatenated",
    ),
    "shared_noise": Arm(
        kind="training-free",
        refined=True,
        cost=1.6,
        about="B+S: refined in chunks that share noise where they overlap",
    ),
    "joint": Arm(
        kind="training-free",
        refined=True,
        whole=True,
        cost=1.6,
        about="RB: shared noise and randomized blending over the whole video",
    ),
    "causal": Arm(
        kind="training-free",
        refined=True,
        cost=1.6,
        about="randomized blending in constant memory, as the app does it",
    ),
}


def find_arms(names: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """The arms of these names, in the order of `known`.

    Raises:
        ConfigError: a name is not one of `known`.
    """
    known, names = tuple(known), set(names)
    if unknown := sorted(names - set(known)):
        raise ConfigError(f"--arms must be of {', '.join(known)}; got {', '.join(unknown)}")
    return tuple(name for name in known if name in names)
