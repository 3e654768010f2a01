"""A preset: which weights, which sizes, which defaults, and what it can do here."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar, no_type_check

from pydantic import Field, SkipValidation
from pydantic.dataclasses import dataclass

from t2v.errors import CheckpointError, ConfigError, PresetError
from t2v.resources import bundled, home
from t2v.settings.bases import BASES, Base, BaseName
from t2v.settings.chunking import PAPER_CHUNKING, Chunking
from t2v.settings.conditionings import CONDITIONINGS, ConditioningName, is_trained
from t2v.settings.config import GenerationConfig, RefinerSettings
from t2v.settings.declaration import settings_of
from t2v.settings.model_files import draws_image_first, missing_file
from t2v.settings.sizes import DRAWN_MULTIPLE, DRAWN_SIDES, fit_area
from t2v.settings.weight_source import (
    STRICT,
    Count,
    FileName,
    Size,
    Switch,
    Text,
    WeightSource,
)


Gigabytes = Annotated[
    tuple[float, float], Field(description="two numbers of GB: at least, and at full speed")
]

Config = TypeVar("Config", bound=GenerationConfig)


@no_type_check  # pydantic checks the values; beartype must not come before it
@dataclass(frozen=True, kw_only=True, config=STRICT)
class Preset:
    """One stack and its default settings."""

    name: Text
    title: Text  # one line
    description: Text  # what it shows and what it needs, a few sentences
    # A folder: of bundled weights in the package or checkout, else in LONGTAKE_HOME.
    weights: Annotated[str, Field(pattern=r"\S", description="a folder")]
    frame_size: Size  # of frames that the model draws, in pixels
    display_size: Size  # of the video files
    fps: Count
    examples: Annotated[tuple[str, ...], Field(min_length=1, description="a list of prompts")]
    # settings that differ from GenerationConfig's own
    defaults: Annotated[dict[str, Any], Field(description="a table of settings")]
    # the kind of model that it is built on
    base: Annotated[BaseName, Field(description=f"one of {', '.join(BASES)}")] = "streaming_t2v"
    chunking: Annotated[
        Chunking, Field(description="a table with chunk_frames and a smaller overlap")
    ] = PAPER_CHUNKING
    # where `longtake download` gets the weights; bundled weights have none
    sources: SkipValidation[tuple[WeightSource, ...]] = ()
    # options of `longtake train` that make the weights, where they are not published
    training: Annotated[str, Field(description="options of `longtake train`")] = ""
    # another way to condition chunks than the CAM: weights of `longtake train --arm`, on top
    conditioning: Annotated[
        ConditioningName | None, Field(description=f"one of {', '.join(CONDITIONINGS)}")
    ] = None
    needs_gpu: Switch = False  # without one it is too slow to wait for
    # what a visitor should know before writing a prompt, one or two short sentences
    hint: Annotated[str, Field(description="text")] = ""
    # for videos of its own size, without its refiner and with it; of the GPU if it needs one
    memory: Gigabytes | None = None
    refined_memory: Gigabytes | None = None
    refiner: SkipValidation[RefinerSettings | None] = None
    refiner_weights: Annotated[FileName, Field(description="the name of a folder in weights")] = (
        "refiner"
    )

    @property
    def weights_folder(self) -> Path:
        return (home() if self.sources or self.training else bundled()) / self.weights

    @property
    def refiner_folder(self) -> Path:
        return self.weights_folder / self.refiner_weights

    def needed_gpu_bytes(self, refines: bool) -> int:
        """Memory of the smallest GPU that makes videos of its own size; 0 if it needs none."""
        if not self.needs_gpu or self.memory is None:
            return 0
        needed = self.refined_memory if refines and self.refined_memory else self.memory
        return round(needed[0] * 1e9)

    @property
    def download_command(self) -> str | None:
        """The command that installs the weights; None if there is nothing to download."""
        return f"longtake download {self.name}" if self.sources else None

    @property
    def train_command(self) -> str | None:
        """The command that makes the weights; None if they are bundled or downloaded."""
        return f"longtake train {self.training} --out {self.weights}" if self.training else None

    @property
    def needs(self) -> str:
        """What it takes to run this preset, in one sentence."""
        if self.train_command:
            return f"Trained on this machine by `{self.train_command}`: no download, no GPU needed."
        if self.conditioning is not None:
            return f"`longtake train --arm {self.conditioning}` trains its conditioning."
        if not self.sources:
            return "Bundled: needs no download and no GPU."
        gigabytes = sum(source.gigabytes for source in self.sources)
        installed = sum(source.installed_gigabytes for source in self.sources)
        licences = ", ".join(dict.fromkeys(source.licence for source in self.sources))
        return (
            f"Needs {'a GPU, ' if self.needs_gpu else ''}a download of about {gigabytes:.0f} GB "
            f"and {installed:.0f} GB of disk to keep; licences: {licences}."
        )

    @property
    def unavailable(self) -> str | None:
        """Why this preset cannot run here, in one sentence; None if it can."""
        if self.abilities.needed:
            return self._unavailable_files
        if (self.weights_folder / "unet").is_dir():
            return self._unavailable_conditioning
        if self.download_command:
            return f"Its weights are not installed; `{self.download_command}` gets them."
        if self.train_command:
            return f"Its weights are not bundled; `{self.train_command}` trains them."
        return f"Its weights are not in {self.weights}; docs/weights.md says how to get them."

    @property
    def _unavailable_conditioning(self) -> str | None:
        if self.conditioning is None or is_trained(self.conditioning):
            return None
        return (
            f"Its conditioning, {self.conditioning}, is not trained; "
            f"`longtake train --arm {self.conditioning}` trains it."
        )

    @property
    def _unavailable_files(self) -> str | None:
        """Why it cannot run here, where its weights are files of another layout than ours."""
        try:
            missing = missing_file(self.weights_folder, self.abilities.needed)
        except CheckpointError as error:
            return f"{error}; `{self.download_command} --force` gets it again."
        if missing is None:
            return None
        if missing == self.abilities.needed[0]:
            return f"Its weights are not installed; `{self.download_command}` gets them."
        return f"{missing} of its weights is missing; `{self.download_command}` gets it."

    @property
    def abilities(self) -> Base:
        """What the kind of model that it is built on can do."""
        return BASES[self.base]

    @property
    def takes_image(self) -> bool:
        """Whether its videos can begin with an image. Reads a file."""
        return self.abilities.takes_image or draws_image_first(self.weights_folder)

    def check_image(self) -> None:
        """Checks that its videos can begin with an image.

        Raises:
            ConfigError: they cannot.
        """
        if not self.takes_image:
            self.find_clip_frames()  # says so if it can begin with neither
            raise ConfigError(
                f"the {self.name} preset cannot begin with an image: it can go on from a clip"
            )

    def find_clip_frames(self) -> tuple[int, int]:
        """The fewest frames of a clip that its videos can go on from, and how many are read.

        Raises:
            ConfigError: they cannot go on from a clip.
        """
        if self.abilities.clip_frames is None:
            raise ConfigError(
                f"the {self.name} preset cannot begin with an image or a clip: it draws the whole "
                "video from text"
            )
        return self.abilities.clip_frames

    @property
    def refiner_unavailable(self) -> str | None:
        """Why this preset cannot refine here, in one sentence; None if it can."""
        if self.refiner is None:
            return f"The {self.name} preset has no refiner."
        if not (self.refiner_folder / "config.json").is_file():
            if any(source.is_refiner for source in self.sources):
                return (
                    "The weights of its refiner are not installed; "
                    f"`{self.download_command}` gets them."
                )
            return f"The weights of its refiner are not in {self.weights}/{self.refiner_weights}."
        return None

    def find_refiner(self) -> RefinerSettings:
        """How its refiner runs.

        Raises:
            PresetError: it has none, or cannot run it here.
        """
        if self.refiner is None or self.refiner_unavailable:
            raise PresetError(f"preset {self.name} cannot refine: {self.refiner_unavailable}")
        return self.refiner

    def at_size(self, frame_size: tuple[int, int] | None) -> "Preset":
        """This preset with frames of another size; its video files grow in proportion.

        Args:
            frame_size: height, width; None is the preset's own.
        """
        if frame_size is None or frame_size == self.frame_size:
            return self
        scale_up = zip(frame_size, self.display_size, self.frame_size, strict=True)
        height, width = (side * shown // drawn for side, shown, drawn in scale_up)
        refiner = self.refiner
        if refiner:
            shown = fit_area(frame_size, refiner.display_size, multiple=2)
            refiner = replace(refiner, display_size=shown)
        return replace(self, frame_size=frame_size, display_size=(height, width), refiner=refiner)

    @property
    def other_sizes(self) -> tuple[tuple[int, int], ...]:
        """Sizes to offer besides its own: about 16:9, landscape and portrait.

        Baselines have none: they are compared at the size of their authors.
        """
        short = min(self.frame_size)
        long = DRAWN_MULTIPLE * max(1, round(short * 16 / 9 / DRAWN_MULTIPLE))
        sizes = (short, long), (long, short)
        if self.abilities.is_baseline or long > max(DRAWN_SIDES):
            return ()
        return tuple(size for size in sizes if size != self.frame_size)

    def config(self, **settings: Any) -> GenerationConfig:
        """The preset's defaults, overridden by `settings`.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        return self.config_of(GenerationConfig, settings)

    def config_of(self, kind: type[Config], settings: dict[str, Any]) -> Config:
        """The preset's defaults as a config of any class, overridden by `settings`.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        if unknown := sorted(settings.keys() - settings_of(kind).keys()):
            raise ConfigError(f"unknown settings {', '.join(unknown)}")
        config = kind(**{**self.defaults, **settings})
        least = self.abilities.min_steps
        if config.num_inference_steps < least:
            raise ConfigError(
                f"num_inference_steps must be at least {least} for the {self.name} preset, "
                f"got {config.num_inference_steps}"
            )
        return config

    def unused(self, config: GenerationConfig) -> tuple[str, ...]:
        """Settings that were changed, and that mean nothing to this preset."""
        usual = self.config(prompt="any")
        names = [name for name in settings_of(config) if name in self.abilities.unused]
        return tuple(name for name in names if getattr(config, name) != getattr(usual, name))
