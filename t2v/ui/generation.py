"""Making videos: from the values of the form, or of a program, to a run in the queue."""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr

from t2v.errors import ConfigError, PresetError, RunError
from t2v.events import Start
from t2v.runs.edits import range_of
from t2v.runs.events import Failed, Finished, RunEvent, SegmentReady, to_json
from t2v.runs.record import RunSettings
from t2v.runs.worker import Worker
from t2v.settings.declaration import brief, check_choice
from t2v.settings.presets import Preset
from t2v.ui.auth import Access
from t2v.ui.errors import errors_shown, tell
from t2v.ui.form import Updates
from t2v.ui.parameters import declared_settings, find_preset, parsed
from t2v.ui.render import summary
from t2v.ui.start import StartReader
from t2v.ui.texts.catalogue import tr
from t2v.ui.urls import address_of
from t2v.ui.visitors import Request, address_hash, visitor_of
from t2v.ui.watching import Watching, all_events


GOES_ON = "The other video goes on. Return to it in the list under the player."
WATCHED_GOES_ON = "The other video goes on. Open its link to watch it again."  # it is not listed


class Generation:
    """The page's Generate button, and `/make` for programs.

    Args:
        presets: by name.
    """

    def __init__(
        self,
        worker: Worker,
        presets: dict[str, Preset],
        watching: Watching,
        access: Access,
    ):
        self._worker = worker
        self._presets = presets
        self._watching = watching
        self._access = access
        self.starts = StartReader(presets)

    async def generate(
        self, request: gr.Request | None = None, **values: Any
    ) -> AsyncGenerator[Updates, None]:
        """Makes a video. Streams segments and status; the last value has the finished file."""
        run_id = await self._submit(values, request)
        if other_id := self._watching.tabs.followed_run(request):
            with suppress(RunError):  # it was deleted in the meantime
                other = await asyncio.to_thread(self._worker.record, other_id)
                is_own = self._access.may_change(other, request)
                tell(tr(GOES_ON) if is_own else tr(WATCHED_GOES_ON))
        async for updates in self._watching.show(run_id, request):
            yield updates

    async def make(
        self, request: gr.Request | None = None, **values: Any
    ) -> AsyncGenerator[tuple[dict[str, Any], list[str] | None], None]:
        """Makes a video for a program: JSON events and files. See `endpoints.MAKE`."""
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
            preset = find_preset(self._presets, settings.preset)
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
        chosen = find_preset(self._presets, preset)
        if chosen.unavailable:
            raise PresetError(f"preset {chosen.name} cannot be used here: {chosen.unavailable}")
        switches = {"randomize_seed": randomize_seed, "write_metadata": write_metadata}
        for name, value in switches.items():
            if not isinstance(value, bool):
                raise ConfigError(f"{name} must be true or false, got {brief(value)}")
        if randomize_seed:
            values["seed"] = random.randint(*range_of("seed"))
        config = chosen.config(**parsed(values, chosen))
        if config.refine:
            check_choice(declared_settings()["blending"], config.blending)
        return RunSettings.of(chosen, config, write_metadata=write_metadata)

    def enqueue(
        self, settings: RunSettings, request: Request | None, start: Start | None = None
    ) -> str:
        """Puts a run into the queue; returns its id. Writes files.

        Args:
            start: what the video begins with besides text.

        Raises:
            ConfigError: the video is longer than this server allows.
            RunError: the queue is full.
        """
        self._access.check_length(settings.config.num_chunks)
        return self._worker.submit(settings, visitor_of(request), address_hash(request), start)

    def _described(self, run_id: str, event: RunEvent) -> tuple[dict[str, Any], list[str] | None]:
        """An event as JSON, and the files that it tells of. Reads files."""
        values = {"run": run_id, **to_json(event)}
        for name in ("path", "refined_path"):  # clients would try to fetch these
            values.pop(name, None)
        if isinstance(event, Finished | Failed):
            values["summary"] = summary(self._worker.record(run_id))
        return values, files_of(event)


def files_of(event: RunEvent) -> list[str] | None:
    """The files that an event tells of."""
    paths: list[Path | None] = []
    if isinstance(event, SegmentReady):
        paths = [event.path]
    elif isinstance(event, Finished | Failed):
        paths = [event.path, event.refined_path]
    return [address_of(path) for path in paths if path is not None] or None
