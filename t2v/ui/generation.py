"""Making videos: from the values of the form, or of a program, to a run in the queue."""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block

from t2v.errors import ConfigError, PresetError, RunError
from t2v.events import Start
from t2v.runs.edits import range_of
from t2v.runs.events import Failed, Finished, RunEvent, SegmentReady, to_json
from t2v.runs.record import RunSettings
from t2v.runs.worker import Worker
from t2v.settings.config import SETTINGS
from t2v.settings.declaration import brief, check_choice
from t2v.settings.presets import Preset
from t2v.ui.auth import Access
from t2v.ui.errors import errors_shown, tell
from t2v.ui.examples import preset_examples
from t2v.ui.form import Form, Updates
from t2v.ui.labels import (
    chosen_size,
    chunks_for,
    clean,
    describe_length,
    describe_memory,
    describe_time,
    length_of,
    size_text,
)
from t2v.ui.parameters import PARAMETER_NAMES, declared_settings
from t2v.ui.render import summary
from t2v.ui.start import CHOOSE_AGAIN, StartReader
from t2v.ui.texts.catalogue import sentences, tr
from t2v.ui.urls import address_of
from t2v.ui.visitors import Request, address_hash, visitor_of
from t2v.ui.watching import Watching, all_events, run_to_show


MAKE = """Makes a video from text and reports its progress: (event, files).

Events of the type SegmentReady come with a file of the new frames alone; the last event,
Finished or Failed, with the finished video and, if asked for, the refined one. Every event
names its run. Disconnecting does not stop the run: `stop` ends it, `run` describes it."""
GOES_ON = "The other video goes on. Return to it in the list under the player."
OTHER_HELP = {
    "preset": "the stack that makes the video.",
    "write_metadata": "whether the files say how they were made.",
    "start": "an image or a clip that the video begins with; by default text alone.",
    "fit": "how a picture of another shape is made to fit: crop or letterbox.",
}


class Generation:
    """The page's Generate button and the API's `generate`.

    Args:
        presets: by name.
    """

    def __init__(
        self,
        worker: Worker,
        presets: dict[str, Preset],
        form: Form,
        watching: Watching,
        access: Access,
    ):
        self._worker = worker
        self._presets = presets
        self._form = form
        self._watching = watching
        self._access = access
        self.starts = StartReader(presets)

    async def generate(
        self, request: gr.Request | None = None, **values: Any
    ) -> AsyncGenerator[Updates, None]:
        """Makes a video. Streams segments and status; the last value has the finished file."""
        run_id = await self._submit(values, request)
        if self._watching.tabs.is_claimed(request):
            tell(tr(GOES_ON))
        async for updates in self._watching.show(run_id, request):
            yield updates

    async def make(
        self, request: gr.Request | None = None, **values: Any
    ) -> AsyncGenerator[tuple[dict[str, Any], list[str] | None], None]:
        """The same for programs: JSON events and files. See `MAKE`."""
        run_id = await self._submit(values, request)
        reader = await asyncio.to_thread(self._worker.open_reader, run_id)
        async for events in all_events(reader):
            for event in events:
                yield await asyncio.to_thread(self._described, run_id, event)

    async def _submit(self, values: Mapping[str, Any], request: gr.Request | None) -> str:
        values = dict(values)
        upload, fit = values.pop("start", None), values.pop("fit", None)
        with errors_shown():
            settings = self.run_settings(**values)
            preset = self.find_preset(settings.preset)
            size = settings.config.frame_size or preset.frame_size
            self._access.check_length(settings.config.num_chunks)
            start = await self.starts.read(upload, fit, preset, size)
            return await asyncio.to_thread(self.enqueue, settings, request, start)

    def run_settings(
        self,
        *,
        preset: Any,
        randomize_seed: Any = False,
        write_metadata: Any = True,
        **values: Any,
    ) -> RunSettings:
        """Settings of a run from parameters of the endpoints, which may be anything.

        Raises:
            ConfigError: a value is out of range.
            PresetError: there is no such preset, or it cannot make this video here.
        """
        chosen = self.find_preset(preset)
        if chosen.unavailable:
            raise PresetError(f"preset {chosen.name} cannot be used here: {chosen.unavailable}")
        switches = {"randomize_seed": randomize_seed, "write_metadata": write_metadata}
        for name, value in switches.items():
            if not isinstance(value, bool):
                raise ConfigError(f"{name} must be true or false, got {brief(value)}")
        if randomize_seed:
            values["seed"] = random.randint(*range_of("seed"))
        config = chosen.config(**parsed(values, chosen))
        chosen = chosen.at_size(config.frame_size)
        if config.refine:
            check_choice(declared_settings()["blending"], config.blending)
        return RunSettings(
            config=config,
            preset=chosen.name,
            fps=chosen.fps,
            display_size=chosen.display_size,
            chunking=chosen.chunking,
            refiner=chosen.find_refiner() if config.refine else None,
            write_metadata=write_metadata,
        )

    def enqueue(
        self, settings: RunSettings, request: Request | None, start: Start | None = None
    ) -> str:
        """Put a run into the queue; returns its id. Writes files.

        Args:
            start: what the video begins with besides text.

        Raises:
            ConfigError: the video is longer than this server allows.
            RunError: the queue is full.
        """
        self._access.check_length(settings.config.num_chunks)
        return self._worker.submit(settings, visitor_of(request), address_hash(request), start)

    def find_preset(self, name: Any) -> Preset:
        """The preset of that name.

        Raises:
            PresetError: there is no such preset.
        """
        if not isinstance(name, str) or name not in self._presets:
            names = ", ".join(self._presets)
            raise PresetError(f"preset must be one of {names}, got {brief(name)}")
        return self._presets[name]

    def choose_preset(self, name: Any) -> Updates:
        """The defaults of a preset, its examples and its description."""
        with errors_shown():
            return self._form.defaults(self.find_preset(name))

    def choose_example(self, preset: Any, event: gr.SelectData) -> Updates:
        """The prompt of an example; with a picture, all that the picture depends on."""
        with errors_shown():
            chosen = self.find_preset(preset)
        example = preset_examples(chosen)[event.index]
        if example.config is None:
            return {self._form.settings["prompt"]: example.prompt}
        return self._form.repeated(example.config, chosen)

    def choose_length(self, seconds: Any, preset: Any) -> Any:
        """The fewest chunks that make at least this much video."""
        with errors_shown():
            chosen = self.find_preset(preset)
        try:
            return chunks_for(max(0.0, seconds), chosen)
        except (TypeError, ValueError, OverflowError):  # it is still being typed
            return gr.skip()

    def length_of(self, num_chunks: Any, preset: Any, seconds: Any) -> Any:
        """The seconds for a number of chunks; those that are there stay if they fit."""
        with errors_shown():
            length = length_of(num_chunks, self.find_preset(preset))
        fits = self.choose_length(seconds, preset) == num_chunks
        return gr.skip() if length is None or fits else length

    def estimate(
        self, num_chunks: Any, preset: Any, refine: Any, num_steps: Any, size: Any = ""
    ) -> str:
        """How long the video gets; how long it takes here and what it needs, if that is known."""
        with errors_shown():
            chosen = self.find_preset(preset)
        text = describe_length(num_chunks, chosen, self._access.max_chunks)
        if length_of(num_chunks, chosen) is None or num_chunks > self._access.max_chunks:
            return text
        is_own_size = size in ("", None, size_text(chosen.frame_size))
        memory = describe_memory(chosen, bool(refine)) if is_own_size else ""
        seconds = self._seconds_for(num_chunks, chosen, refine, num_steps)
        return sentences(text, describe_time(seconds), memory)

    def estimate_later(
        self, num_chunks: Any, preset: Any, refine: Any, num_steps: Any, size: Any
    ) -> tuple[str, gr.Timer]:
        """The same, asked for again until the time is known: the app measures it at its start."""
        text = self.estimate(num_chunks, preset, refine, num_steps, size)
        seconds = self._seconds_for(1, self.find_preset(preset), refine, num_steps)
        return text, gr.Timer(active=seconds is None)

    def _seconds_for(
        self, num_chunks: Any, preset: Preset, refine: Any, num_steps: Any
    ) -> float | None:
        """How long a video takes here; None if that is not known."""
        try:
            key = preset.name, int(num_steps), bool(refine)
        except (TypeError, ValueError, OverflowError):  # it is still being typed
            return None
        return self._worker.queue.throughput.estimate_for(key, num_chunks)

    def restore(self, last_run: Any, request: gr.Request) -> Updates:
        """The settings of the run that is shown, so that they can be seen and used again."""
        try:
            settings = self._worker.record(run_to_show(last_run, request) or "").settings
        except RunError:
            return gr.skip()
        return self._form.filled(settings.config, self._presets.get(settings.preset))

    def use_settings(self, run_id: Any) -> Updates:
        """The settings of a run, with its seed."""
        with errors_shown():
            settings = self._worker.record(run_id).settings
        if settings.begins_with:
            tell(tr(CHOOSE_AGAIN))
        return self._form.repeated(settings.config, self._presets.get(settings.preset))

    def _described(self, run_id: str, event: RunEvent) -> tuple[dict[str, Any], list[str] | None]:
        """An event as JSON, and the files that it tells of. Reads files."""
        values = {"run": run_id, **to_json(event)}
        for name in ("path", "refined_path"):  # clients would try to fetch these
            values.pop(name, None)
        if isinstance(event, Finished | Failed):
            values["summary"] = summary(self._worker.record(run_id))
        return values, files_of(event)


def parsed(values: Mapping[str, Any], preset: Preset) -> dict[str, Any]:
    """Parameters of the endpoints as settings of the config, which checks them."""
    parsed: dict[str, Any] = {}
    config_names = {parameter: name for name, parameter in PARAMETER_NAMES.items()}
    for parameter, value in values.items():
        name = config_names.get(parameter, parameter)
        declared = SETTINGS.get(name)
        if declared is None:
            raise ConfigError(f"unknown settings {brief(name)}")
        match declared.kind:
            case "text":
                parsed[name] = clean("" if value is None and not declared.is_required else value)
            case "size":
                parsed[name] = chosen_size(value, preset)
            case _:
                parsed[name] = value
    return parsed


def files_of(event: RunEvent) -> list[str] | None:
    """The files that an event tells of."""
    paths: list[Path | None] = []
    if isinstance(event, SegmentReady):
        paths = [event.path]
    elif isinstance(event, Finished | Failed):
        paths = [event.path, event.refined_path]
    return [address_of(path) for path in paths if path is not None] or None


def documented(generation: Generation, parameters: Mapping[str, Block]) -> Any:
    """`Generation.make` with a signature and a docstring of its parameters.

    Gradio and MCP show them to programs.
    """

    async def make(
        request: gr.Request | None = None, **values: Any
    ) -> AsyncGenerator[tuple[dict[str, Any], list[str] | None], None]:
        async for event in generation.make(request, **values):
            yield event

    config_names = {parameter: name for name, parameter in PARAMETER_NAMES.items()}
    declared = declared_settings()
    lines = []
    for name in parameters:
        setting = declared.get(config_names.get(name, name))
        lines.append(f"    {name}: {setting.help if setting else OTHER_HELP[name]}")
    make.__doc__ = "\n".join([MAKE, "", "Args:", *lines])
    make.__signature__ = signature_of(parameters)  # type: ignore[attr-defined]
    return make


def for_the_page(generation: Generation, parameters: Mapping[str, Block]) -> Any:
    """`Generation.generate` with a signature of its parameters: programs may call it too."""

    async def generate(
        request: gr.Request | None = None, **values: Any
    ) -> AsyncGenerator[Updates, None]:
        async for updates in generation.generate(request, **values):
            yield updates

    generate.__doc__ = generation.generate.__doc__
    generate.__signature__ = signature_of(parameters)  # type: ignore[attr-defined]
    return generate


def signature_of(parameters: Mapping[str, Block]) -> Signature:
    """Gradio's clients may leave out what has a value on the page, or None here."""
    request = Parameter(
        "request", Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=gr.Request | None
    )
    defaults = {"start": None}
    keywords = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=defaults.get(name, Parameter.empty))
        for name in parameters
    ]
    return Signature([request, *keywords])
