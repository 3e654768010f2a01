"""What programs call to make a video: plain JSON events and files, where the page has a player."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr

from t2v.jobs.updates import Failed, Finished, SegmentReady, Update, to_json
from t2v.ui.addresses import address_of
from t2v.ui.handlers import Handlers, all_updates
from t2v.ui.visitors import visitor_of
from t2v.ui.words import summary


class Api:
    """
    Args:
        handlers: those of the page; both make their runs in the same way.
    """

    def __init__(self, handlers: Handlers):
        self._handlers = handlers

    async def make(
        self,
        prompt,
        preset,
        num_chunks,
        apm_strength,
        seed,
        num_inference_steps,
        guidance_scale,
        scheduler,
        use_cam,
        negative_prompt,
        refine,
        blending,
        write_metadata,
        size="",
        reseed="",
        request: gr.Request | None = None,
    ) -> AsyncIterator[tuple[dict[str, Any], list[str] | None]]:
        """Makes a video from text and tells how far it is: (event, files).

        Events of the type SegmentReady come with a file of the new frames alone; the last event,
        Finished or Failed, with the finished video and, if asked for, the refined one. Every event
        names its run. Leaving early does nothing to the run: `stop` ends it, `run` describes it.

        Args:
            prompt: what to show, in a few words.
            preset: the stack that makes it.
            num_chunks: length of the video: the first chunk has 16 frames, every other adds 8.
            apm_strength: how firmly the first chunk's look is kept, from 0 to 2.
            seed: the same seed and settings give the same video.
            num_inference_steps: denoising steps a chunk, from 1 to 500.
            guidance_scale: how literally the prompt is taken, from 1 to 30.
            scheduler: ddim, dpmsolver++ or unipc.
            use_cam: whether a chunk continues the one before.
            negative_prompt: what should not be seen.
            refine: whether to make a second, sharper video too.
            blending: how refined chunks are joined.
            write_metadata: whether the files say how they were made.
            size: of the frames that are drawn, height first, like 256x448; empty: the preset's own.
            reseed: other seeds from some chunks on, like 6: 12 / 9: 44.
        """
        run_id = self._handlers.submit(
            prompt=prompt,
            preset=preset,
            negative_prompt=negative_prompt,
            num_chunks=num_chunks,
            apm_strength=apm_strength,
            seed=seed,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            scheduler=scheduler,
            use_cam=use_cam,
            refine=refine,
            blending=blending,
            write_metadata=write_metadata,
            size=size,
            reseed=reseed,
            visitor=visitor_of(request),
        )
        worker = self._handlers.worker
        async for updates in all_updates(worker.follow(run_id)):
            for update in updates:
                event = {"run": run_id, **to_json(update)}
                for name in ("path", "refined_path"):  # clients take these for files to fetch
                    event.pop(name, None)
                if isinstance(update, Finished | Failed):
                    event["summary"] = summary(worker.record(run_id))
                yield event, files_of(update)


def files_of(update: Update) -> list[str] | None:
    """The files that an update tells of."""
    paths: list[Path | None] = []
    if isinstance(update, SegmentReady):
        paths = [update.path]
    elif isinstance(update, Finished | Failed):
        paths = [update.path, update.refined_path]
    return [address_of(path) for path in paths if path is not None] or None
