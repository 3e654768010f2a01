"""What the memories are worth: the same video once more without them, then both side by side."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, NamedTuple

import gradio as gr

from t2v.errors import JobError, T2VError
from t2v.jobs.run_folder import RunSettings
from t2v.ui.files import Files
from t2v.ui.handlers import LOOKS_PER_SECOND, Handlers
from t2v.ui.status import RunStatus
from t2v.ui.visitors import visitor_of
from t2v.ui.words import sentence


WITHOUT = {
    "both memories": {"use_cam": False, "apm_strength": 0.0},
    "the CAM (short-term)": {"use_cam": False},
    "the APM (long-term)": {"apm_strength": 0.0},
}
TITLE = "See what the memories are worth"
START = "Make it without them"


class AblationPart(NamedTuple):
    """Of the page."""

    without: gr.Radio
    start: gr.Button
    other_run: gr.Textbox
    video: gr.Video


class Told(NamedTuple):
    """What a comparison changes on the page, and what a program gets."""

    video: str | None
    other_run: str
    start: Any


class Ablation:
    """The other video is a run like any: it waits its turn, is kept, and has a link."""

    def __init__(self, handlers: Handlers, files: Files):
        self._handlers = handlers
        self._files = files

    async def ablate(
        self, run_id, without, request: gr.Request | None = None
    ) -> AsyncIterator[Told]:
        """Makes a finished video again, same seed, without one or both of its memories.

        Args:
            without: "both memories", "the CAM (short-term)" or "the APM (long-term)".
        """
        try:
            settings = without_memories(self._files.finished(run_id).settings, without)
            other_id = self._handlers.enqueue(settings, visitor_of(request))
        except T2VError as error:
            raise gr.Error(sentence(error), duration=8, print_exception=False) from error

        def told(said: str, both: str | None = None) -> Told:
            return Told(both, other_id, gr.update(value=said, interactive=said == START))

        worker, status = self._handlers.worker, RunStatus(settings)
        follower = worker.follow(other_id)
        yield told("Waiting…")
        while not follower.has_ended:
            updates = follower.poll()
            for update in updates:
                status.add(update)
            if updates and not status.is_waiting:
                num_frames = settings.config.num_frames
                yield told(f"Making it: {status.num_playable} of {num_frames} frames")
            elif not updates:
                await asyncio.sleep(1 / LOOKS_PER_SECOND)
        if worker.record(other_id).state != "finished":
            gr.Warning("The other video was not finished. It is among your videos.")
            yield told(START)
            return
        try:
            both = await asyncio.to_thread(self._files.side_by_side, run_id, other_id)
        except gr.Error:
            yield told(START)
            raise
        yield told(START, both)


def without_memories(settings: RunSettings, without: str) -> RunSettings:
    """
    Raises:
        JobError: the video was made so already, or `without` is none of `WITHOUT`.
    """
    if without not in WITHOUT:
        raise JobError(f"a video can be made without {', '.join(WITHOUT)}, not {without!r}")
    config = replace(settings.config, **WITHOUT[without])
    if config == settings.config:
        raise JobError(f"this video was made without {without}")
    return replace(settings, config=config)


def build_ablation() -> AblationPart:
    with gr.Accordion(TITLE, open=False, elem_id="ablation"):
        without = gr.Radio(
            list(WITHOUT),
            value=next(iter(WITHOUT)),
            label="The same prompt and seed once more, without",
            info="Both videos are then shown side by side.",
        )
        start = gr.Button(START, size="sm", elem_id="ablate")
        other_run = gr.Textbox(visible=False, label="Other run")
        video = gr.Video(
            label="Left: as it is. Right: made without",
            interactive=False,
            autoplay=True,
            loop=True,
            buttons=["download"],
            elem_id="ablated",
        )
    return AblationPart(without, start, other_run, video)
