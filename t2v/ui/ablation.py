"""What the memories are worth: the same video once more without them, then both side by side."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, NamedTuple

import gradio as gr

from t2v.errors import JobError
from t2v.jobs.run_folder import RunRecord, RunSettings
from t2v.ui.files import Files
from t2v.ui.handlers import Handlers, all_updates
from t2v.ui.launch import VIEWERS
from t2v.ui.parts import PRIVATE
from t2v.ui.status import RunStatus
from t2v.ui.visitors import visitor_of
from t2v.ui.words import errors_shown


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
        worker = self._handlers.worker
        with errors_shown():
            settings = without_memories(worker.record(run_id), without)
            other_id = self._handlers.enqueue(settings, visitor_of(request))

        def told(said: str, both: str | None = None) -> Told:
            return Told(both, other_id, gr.update(value=said, interactive=said == START))

        status = RunStatus(settings)
        then = ", and refining them" if settings.refiner else ""
        both = None
        try:
            with errors_shown(), self._handlers.pages.aside(request) as watch:
                yield told("Waiting…")
                async for updates in all_updates(worker.follow(other_id)):
                    if watch.is_over:
                        break
                    for update in updates:
                        status.add(update)
                    if updates and not status.is_waiting:
                        num_frames = f"{status.num_playable} of {settings.config.num_frames}"
                        yield told(f"Making it: {num_frames} frames{then}")
                if not watch.is_over:
                    both = await self._beside(run_id, other_id)
        except Exception:
            yield told(START)
            raise
        yield told(START, None if watch.is_over else both)

    async def _beside(self, run_id: str, other_id: str) -> str:
        if self._handlers.worker.record(other_id).state != "finished":
            raise JobError("the other video was not finished; it is among your videos")
        return await asyncio.to_thread(self._files.side_by_side, run_id, other_id)


def without_memories(record: RunRecord, without: str) -> RunSettings:
    """
    Raises:
        JobError: the video is not finished or was made so already, or `without` is none of
            `WITHOUT`.
    """
    if record.state != "finished":
        raise JobError("only a finished video is made again: both are to be of one length")
    if without not in WITHOUT:
        raise JobError(f"a video can be made without {', '.join(WITHOUT)}, not {without!r}")
    config = replace(record.settings.config, **WITHOUT[without])
    if config == record.settings.config:
        raise JobError(f"this video was made without {without}")
    return replace(record.settings, config=config)


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


def connect_ablation(
    part: AblationPart, ablation: Ablation, run_id: gr.Textbox, other_run: gr.Textbox
) -> None:
    """
    Args:
        other_run: where another video to put beside the one that is shown is named.
    """
    part.start.click(
        ablation.ablate,
        [run_id, part.without],
        [part.video, part.other_run, part.start],
        api_name="ablate",
        show_progress="hidden",
        concurrency_limit=VIEWERS,
    )
    # "Your videos" have the other one, too.
    part.other_run.change(
        None, part.other_run, other_run, js="(id) => longtake.keep(id)", **PRIVATE
    )
    # The page turns to another video: what is told of the one before has no place there.
    run_id.change(
        lambda: (None, gr.update(value=START, interactive=True)),
        None,
        [part.video, part.start],
        **PRIVATE,
    )
