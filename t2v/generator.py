"""The Python API, and the only place where stack, refiner and interleaving meet.

    from t2v import Generator

    for event in Generator.load().stream(prompt="a penguin in the snow", num_chunks=4):
        ...
    Generator.load().save("out.mp4", prompt="a penguin in the snow", num_chunks=4)

Nothing here loads torch before `Generator.load` is called.
"""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from functools import cache, partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2v.device import default_preset
from t2v.errors import ConfigError, PresetError
from t2v.events import (
    Chunk,
    Frames,
    LatentMemory,
    Memory,
    Notice,
    RefinerState,
    ResumeState,
    Start,
)
from t2v.pipeline.interleave import Events, interleave, refine_afterwards
from t2v.settings.acceleration import NO_ACCELERATION, Acceleration
from t2v.settings.config import SETTINGS, GenerationConfig
from t2v.settings.declaration import settings_of
from t2v.settings.presets import Preset, find_preset


if TYPE_CHECKING:
    from t2v.saving import SavedVideo


RefineFrames = Callable[[GenerationConfig, Iterable[Frames], RefinerState | None], Events]
DrawFn = Callable[[GenerationConfig, ResumeState | None], Events]
# Makes videos for a worker of runs: of a config and a ResumeState or None, and of a Start for a run
# that begins with an image or a clip.
StreamFn = Callable[..., Events]
BeginFn = Callable[[GenerationConfig, Start], Events]


class Generator:
    """Makes videos with the networks of one preset. `Generator.load` makes one.

    Args:
        draw: draws the preview of a video, or the rest of it.
        load_refiner: gives the function that refines frames; called at most once, for the first
            video that is to be refined.
        begin: draws the preview of a video that begins with an image or a clip.
    """

    def __init__(
        self,
        preset: Preset,
        draw: DrawFn,
        load_refiner: Callable[[], RefineFrames],
        begin: BeginFn,
    ):
        self.preset = preset
        self._draw = draw
        self._refiner = cache(load_refiner)
        self._begin = begin

    @classmethod
    def load(
        cls,
        preset: str | Preset | None = None,
        *,
        device: str | None = None,
        memory: str | None = None,
        refine: bool | None = None,
        acceleration: Acceleration = NO_ACCELERATION,
    ) -> "Generator":
        """Loads the networks of a preset.

        Args:
            preset: a preset or its name; by default the best that can run here.
            device: "cpu" or "cuda"; by default the GPU if there is one.
            memory: how much of the GPU to use: "full", "balanced" or "low"; by default the fastest
                profile that fits into its free memory.
            refine: leave room for the refiner; by default if the preset has one.

        Raises:
            PresetError: there is no such preset, or it cannot run here.
            CheckpointError: weights are missing or do not fit.
            ConfigError: there is no such memory profile.
        """
        if preset is None:
            preset, _ = default_preset()
        elif isinstance(preset, str):
            preset = find_preset(preset)
        if preset.base == "helios":
            from t2v.pipeline.helios_loading import load_helios

            helios = load_helios(preset, device=device, memory=memory, acceleration=acceleration)
            return cls.from_helios(preset, helios)
        if preset.abilities.is_baseline:
            from t2v.baselines.loading import load_baseline

            return cls.from_baseline(preset, load_baseline(preset, device=device, memory=memory))
        from t2v.pipeline.loading import load_stack
        from t2v.pipeline.refiner_loading import load_refiner

        if refine is None:
            refine = preset.refiner_unavailable is None
        stack = load_stack(
            preset, device=device, memory=memory, refine=refine, acceleration=acceleration
        )
        return cls.from_networks(preset, stack, lambda: load_refiner(preset, stack=stack))

    @classmethod
    def from_networks(
        cls, preset: Preset, stack: Any, load_refiner: Callable[[], Any]
    ) -> "Generator":
        """A generator of networks that are loaded already.

        Args:
            stack: the Stack of the preset.
            load_refiner: gives its Refiner.
        """
        from t2v.pipeline.refinement import refine
        from t2v.pipeline.start import begin
        from t2v.pipeline.streaming_t2v import stream

        draw = _drawing(preset, partial(stream, stack), Memory)
        return cls(preset, draw, lambda: partial(refine, load_refiner()), partial(begin, stack))

    @classmethod
    def from_helios(cls, preset: Preset, stack: Any) -> "Generator":
        """A generator of a HeliosStack that is loaded already; it has no refiner."""
        from t2v.pipeline.helios import stream
        from t2v.pipeline.helios_start import begin

        draw = _drawing(preset, partial(stream, stack), LatentMemory)
        return cls(preset, draw, partial(_refuse_refiner, preset), partial(begin, stack))

    @classmethod
    def from_baseline(cls, preset: Preset, baseline: Any) -> "Generator":
        """A generator of a baseline that is loaded already; it has no refiner."""
        from t2v.baselines.streaming import begin, stream

        draw = _drawing(preset, partial(stream, baseline), baseline.memory_kind)
        return cls(preset, draw, partial(_refuse_refiner, preset), partial(begin, baseline))

    def configure(
        self, config: GenerationConfig | None = None, **settings: Any
    ) -> GenerationConfig:
        """The settings of a video: `settings`, over those of `config` or the preset's defaults.

        Raises:
            ConfigError: a setting is unknown or out of range.
            PresetError: the video is to be refined, and the preset cannot refine here.
        """
        if config is None:
            config = self.preset.config(**settings)
        elif unknown := sorted(settings.keys() - settings_of(config).keys()):
            raise ConfigError(f"unknown settings {', '.join(unknown)}")
        else:
            config = replace(config, **settings)
        if config.refine:
            self.preset.find_refiner()
        return config

    def stream(
        self,
        config: GenerationConfig | None = None,
        *,
        resume: ResumeState | None = None,
        start: Start | None = None,
        **settings: Any,
    ) -> Events:
        """Returns a generator of a video's events.

        They are a Chunk of final frames as soon as it is drawn, a StepDone per denoising step, and
        Notices. Each step is computed when it is asked for; closing the generator stops the work.

        With `refine`, refined chunks come between those of the preview. With `joint` blending,
        which needs the whole preview, they come after it.

        Args:
            resume: the state of an interrupted video, to go on from.
            start: an image or a clip that the video begins with; see `t2v.starting`.

        Raises:
            ConfigError: a setting is unknown or out of range, or `start` does not suit the preset.
            PresetError: the video is to be refined, and the preset cannot refine here.
        """
        config = self.configure(config, **settings)
        if start is None or resume is not None:
            drawn = self._draw(config, resume)
        else:
            drawn = self._begin(config, start)
        preview = self._with_notices(config, drawn)
        if not config.refine:
            return preview
        refiner = self._refiner()
        if config.blending == "joint":
            return refine_afterwards(preview, partial(refiner, config), resume)

        def refine(frames: Iterable[Frames]) -> Events:
            return refiner(config, frames, resume.refiner if resume else None)

        return interleave(preview, refine, self.preset.find_refiner(), resume, self.preset.chunking)

    def _with_notices(self, config: GenerationConfig, events: Events) -> Events:
        """Says first which of the settings mean nothing to this preset."""
        unused = self.preset.unused(config)
        if unused:
            labels = ", ".join(SETTINGS[name].label for name in unused)
            yield Notice(f"Not used by the {self.preset.name} preset: {labels}.")
        yield from events

    def save(
        self,
        path: str | PathLike[str],
        config: GenerationConfig | None = None,
        *,
        write_metadata: bool = True,
        start: Start | None = None,
        **settings: Any,
    ) -> "SavedVideo":
        """Makes a video and writes it to `path`, which ends in .mp4; files are overwritten.

        A refined video is written next to it, as NAME-refined.mp4. After an exception or Ctrl-C,
        the finished chunks are kept as a playable file.

        Args:
            write_metadata: also write the settings: into the file, and with the hashes of all
                chunks into the sidecar NAME.json.
            start: an image or a clip that the video begins with; see `t2v.starting`.

        Raises:
            ConfigError: a setting is unknown or out of range.
            PresetError: the video is to be refined, and the preset cannot refine here.
            MediaError: the files cannot be written.
        """
        from t2v.saving import VideoFiles

        config = self.configure(config, **settings)
        files = VideoFiles(
            Path(path), self.preset, config, write_metadata=write_metadata, start=start
        )
        files.check()
        with files, closing(self.stream(config, start=start)) as events:
            for event in events:
                if isinstance(event, Chunk):
                    files.write(event)
        return files.saved


def _drawing(
    preset: Preset, stream: Callable[..., Events], kind: type[Memory] | type[LatentMemory]
) -> DrawFn:
    """Draws videos of a preset, from their start or on from what was remembered.

    Args:
        kind: of memory that its videos leave.
    """

    def draw(config: GenerationConfig, resume: ResumeState | None) -> Events:
        if resume is None:
            return stream(config)
        if not isinstance(resume.memory, kind):
            raise ConfigError(f"this video was not begun with the {preset.name} preset")
        return stream(config, resume.num_chunks, resume.memory)

    return draw


def _refuse_refiner(preset: Preset) -> RefineFrames:
    raise PresetError(f"preset {preset.name} cannot refine: {preset.refiner_unavailable}")


def open_stream(preset: str, **options: Any) -> StreamFn:
    """Loads a preset for a worker of runs: gives the function that makes videos with it.

    Args:
        options: those of `Generator.load`.
    """
    return stream_function(Generator.load(preset, **options))


def stream_function(generator: Generator) -> StreamFn:
    """The function that makes videos for a worker of runs, with a generator that is loaded."""

    def stream(
        config: GenerationConfig,
        resume: ResumeState | None = None,
        start: Start | None = None,
    ) -> Events:
        return generator.stream(config, resume=resume, start=start)

    return stream
