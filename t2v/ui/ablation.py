"""The ablation: make a video again without CAM or APM, and show both side by side."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import gradio as gr

from t2v.errors import RunError
from t2v.runs.progress import RunProgress
from t2v.runs.record import RunRecord, RunSettings
from t2v.runs.worker import Worker
from t2v.settings.declaration import brief
from t2v.ui.comparison_panels import (
    ABLATE,
    ABLATIONS,
    MIN_CHUNKS,
    AblationPanel,
    describe_advice,
)
from t2v.ui.downloads import Downloads
from t2v.ui.errors import errors_shown, tell
from t2v.ui.form import Updates
from t2v.ui.generation import Generation
from t2v.ui.labels import count_chunks
from t2v.ui.memories import base_of
from t2v.ui.tabs import TabRegistry
from t2v.ui.texts.catalogue import sentences, tr
from t2v.ui.watching import all_events


class Ablation:
    """The other video is an ordinary run: it waits in the queue, is kept, and has a link."""

    def __init__(
        self,
        worker: Worker,
        panel: AblationPanel,
        generation: Generation,
        downloads: Downloads,
        tabs: TabRegistry,
    ):
        self._worker = worker
        self._panel = panel
        self._generation = generation
        self._downloads = downloads
        self._tabs = tabs

    async def ablate(
        self, run_id: Any, without: Any, request: gr.Request | None = None
    ) -> AsyncGenerator[Updates, None]:
        """Makes a finished preview again, with the same seed, without CAM, APM or both.

        Args:
            without: "both memories", "the CAM (short-term)" or "the APM (long-term)".
        """
        with errors_shown():
            settings = await asyncio.to_thread(self._settings, run_id, without)
            start = await asyncio.to_thread(self._worker.start_of, run_id)
            other_id = await asyncio.to_thread(self._generation.enqueue, settings, request, start)

        def updates(button: str = "", video: str | None = None) -> Updates:
            return {
                self._panel.video: video,
                self._panel.other_run: other_id,
                self._panel.start: gr.update(value=button or tr(ABLATE), interactive=not button),
            }

        progress = RunProgress(settings)
        num_chunks = settings.config.num_chunks
        if num_chunks < MIN_CHUNKS:
            alike = tr("{chunks} may look alike.", chunks=count_chunks(num_chunks))
            tell(sentences(alike, describe_advice()))
        video = None
        try:
            with errors_shown(), self._tabs.side_task(request) as claim:
                yield updates(tr("Waiting…"))
                reader = await asyncio.to_thread(self._worker.open_reader, other_id)
                async for events in all_events(reader):
                    if claim.is_over:
                        break
                    for event in events:
                        progress.add(event)
                    if events and not progress.is_waiting:
                        yield updates(describe_ablation(progress))
                if not claim.is_over:
                    video = await asyncio.to_thread(self._side_by_side, run_id, other_id)
        except Exception:
            yield updates()
            raise
        yield updates(video=None if claim.is_over else video)

    def _settings(self, run_id: Any, without: Any) -> RunSettings:
        return without_memories(self._worker.record(run_id), without)

    def _side_by_side(self, run_id: str, other_id: str) -> str:
        if self._worker.record(other_id).state != "finished":
            raise RunError("the other video was not finished; it is among your videos")
        return self._downloads.ablated(run_id, other_id)


def describe_ablation(progress: RunProgress) -> str:
    return tr(
        "Running: {done} of {total} frames",
        done=progress.num_playable,
        total=progress.num_frames,
    )


def without_memories(record: RunRecord, without: Any) -> RunSettings:
    """The settings of a finished run without some of its memories, and without its refiner.

    Raises:
        RunError: the video is not finished or was made so already, or `without` is none of
            `ABLATIONS`.
    """
    if record.state != "finished":
        raise RunError("only a finished video can be compared: both must have the same length")
    if not isinstance(without, str) or without not in ABLATIONS:
        raise RunError(f"a video can be made without {', '.join(ABLATIONS)}, not {brief(without)}")
    switches = base_of(record.settings).without
    if not switches:
        raise RunError(f"the {record.settings.preset} preset has no memory that can be left out")
    changes = {
        name: value for memory in ABLATIONS[without] for name, value in switches[memory].items()
    }
    config = replace(record.settings.config, **changes)
    if config == record.settings.config:
        raise RunError(f"this video was made without {without}")
    # A refiner would hide a part of what the memories do, and take most of the time.
    return replace(record.settings, config=replace(config, refine=False), refiner=None)
