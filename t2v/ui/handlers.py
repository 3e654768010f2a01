"""What the page does: settings become runs, updates of runs become what is shown."""

import asyncio
import math
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr

from t2v.config import (
    BLENDINGS,
    CHUNK_FRAMES,
    LIMITS,
    NUM_NEW_FRAMES,
    GenerationConfig,
    brief,
    check_choices,
)
from t2v.errors import ConfigError, JobError, PresetError, T2VError
from t2v.jobs.follower import Follower
from t2v.jobs.run_folder import ENDED, RunFolder, RunRecord, RunSettings
from t2v.jobs.updates import Update
from t2v.jobs.worker import Worker
from t2v.media.comparison import write_side_by_side
from t2v.presets import Preset
from t2v.ui.access import OWNER
from t2v.ui.addresses import file_name, scratch_folder
from t2v.ui.pages import Pages, Watch
from t2v.ui.players import GrowingPlayer, NoPlayer, SegmentPlayer
from t2v.ui.status import RunStatus
from t2v.ui.steering import Steered
from t2v.ui.timeline import changes_timeline, timeline
from t2v.ui.view import (
    View,
    file_update,
    first_view,
    growing_view,
    last_view,
    refine_switch,
    with_empty_players,
)
from t2v.ui.visitors import Rights, visitor_of
from t2v.ui.words import (
    chosen_size,
    clean,
    describe_preset,
    errors_shown,
    sentence,
    size_choice,
    summary,
)


LOOKS_PER_SECOND = 5
# Those that refine as the preview grows; joint blending needs the whole video in memory.
STREAMING_BLENDINGS = tuple(blending for blending in BLENDINGS if blending != "joint")


class Handlers:
    """
    Args:
        worker: makes the runs.
        presets: by name.
        is_streaming: the live player takes segments; otherwise it is given a longer file now and
            then, which needs no program outside Python.
        max_chunks: of one video.
        rights: who may change which run.
    """

    def __init__(
        self,
        worker: Worker,
        presets: dict[str, Preset],
        *,
        is_streaming: bool = True,
        max_chunks: int = OWNER.max_chunks,
        rights: Rights | None = None,
    ):
        self.worker = worker
        self.presets = presets
        self.is_streaming = is_streaming
        self.rights = rights or Rights()
        self.steered = Steered(worker, max_chunks, self.rights)
        self.max_chunks = max_chunks
        self.pages = Pages()

    async def generate(
        self,
        prompt,
        preset,
        num_chunks,
        apm_strength,
        seed,
        randomize_seed,
        num_inference_steps,
        guidance_scale,
        scheduler,
        use_cam,
        negative_prompt,
        refine=False,
        blending="causal",
        write_metadata=True,
        size="",
        reseed="",
        request: gr.Request | None = None,
    ) -> AsyncIterator[View]:
        """Makes a video. Streams segments and status; the last value has the finished file."""
        run_id = self.submit(
            prompt=prompt,
            preset=preset,
            negative_prompt=negative_prompt,
            num_chunks=num_chunks,
            apm_strength=apm_strength,
            seed=random.randint(*LIMITS["seed"]) if randomize_seed else seed,
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
        async for view in self.show(run_id, request):
            yield view

    def submit(
        self,
        *,
        prompt,
        negative_prompt,
        preset,
        write_metadata,
        size="",
        reseed="",
        visitor="",
        **settings,
    ) -> str:
        """Puts a video into the queue; returns the id of its run. Checks every setting itself:
        programs send what they like, and components pass it on.

        Raises:
            gr.Error: a setting is out of range, or the queue is full.
        """
        with errors_shown():
            chosen = self._preset(preset)
            if chosen.unavailable:
                raise PresetError(chosen.unavailable)
            config = chosen.config(
                prompt=clean(prompt),
                negative_prompt=clean(negative_prompt or ""),
                frame_size=chosen_size(size, chosen),
                reseed=clean(reseed or ""),
                **settings,
            )
            chosen = chosen.at_size(config.frame_size)
            if config.refine:
                check_choices(config, {"blending": STREAMING_BLENDINGS})
            settings = RunSettings(
                config=config,
                preset=chosen.name,
                fps=chosen.fps,
                display_size=chosen.display_size,
                refiner=chosen.find_refiner() if config.refine else None,
                write_metadata=write_metadata is not False,
            )
            return self.enqueue(settings, visitor)

    def enqueue(self, settings: RunSettings, visitor: str) -> str:
        """
        Raises:
            ConfigError: the video is longer than this server allows.
            JobError: the queue is full.
        """
        if settings.config.num_chunks > self.max_chunks:
            raise ConfigError(
                f"num_chunks must be a whole number from 1 to {self.max_chunks} on this "
                f"server, got {settings.config.num_chunks}"
            )
        return self.worker.submit(settings, visitor)

    async def begin_anew(self, run_id, request: gr.Request) -> AsyncIterator[View]:
        """Shows a run with empty players, after chunks that they have shown were made anew."""
        async for view in self.show(str(run_id), request):
            yield view

    async def attach(self, last_run, request: gr.Request) -> AsyncIterator[View]:
        """Shows the run that the link names or, without one, the last one of this browser."""
        run_id = run_to_show(last_run, request)
        if not run_id:
            yield View()
            return
        try:
            async for view in self.show(str(run_id), request):
                yield view
        except JobError as error:
            if request.query_params.get("run"):
                gr.Warning(sentence(error))
            yield View(run_id="")

    async def show(self, run_id: str, request: gr.Request | None = None) -> AsyncIterator[View]:
        """Tells a run from its start to its end, or until the page of the request turns to another
        one; leaving early does nothing to the run.

        Raises:
            JobError: there is no such run.
        """
        record = self.worker.record(run_id)
        may_change = self.rights.may_change(record, request)
        async with self.pages.turn_to_next(request) as watch:
            async for view in self._tell(record, watch, may_change):
                yield view

    async def _tell(self, record: RunRecord, watch: Watch, may_change: bool) -> AsyncIterator[View]:
        run_id, settings = record.id, record.settings
        follower = self.worker.follow(run_id)
        status = RunStatus(record.settings)

        def draw(is_live: bool) -> str:
            return timeline(follower.folder, status.num_playable, is_live and not status.is_waiting)

        view = first_view(record, status, draw(record.state == "running"), may_change)
        yield view if watch.is_first else with_empty_players(view)
        with scratch_folder() as scratch:
            players = {
                name: NoPlayer()
                if record.state in ENDED
                else self._player(follower.folder, scratch, name == "refined_live")
                for name in ("live", "refined_live")
            }
            async for updates in all_updates(follower):
                if watch.is_over:
                    yield View()
                    return
                for update in updates:
                    status.add(update)
                new = {name: await player.play(updates) for name, player in players.items()}
                new = {name: path for name, path in new.items() if path}
                if any(player.is_outdated for player in players.values()):
                    new["again"] = f"{run_id} {status.take}"
                run = self.worker.line.get(run_id)
                is_steered = run is not None and run.settings != settings
                settings = run.settings if is_steered else settings
                if (updates or is_steered) and not follower.has_ended:
                    view = View()
                    if is_steered or changes_timeline(updates):
                        view = growing_view(self.worker.record(run_id), status, draw(True))
                    yield view._replace(status=status.to_html(), **new)
                elif new:
                    yield View(**new)
        yield last_view(self.worker.record(run_id), updates[-1], status, draw(False))

    def stop(self, run_id, request: gr.Request | None = None):
        """Ends a run within one denoising step; its chunks so far become the finished file."""
        with errors_shown():
            self.rights.check(self.worker.record(run_id), request)
            self.worker.stop(run_id)
            has_ended = self.worker.record(run_id).state in ENDED
        return gr.update(value="Stop" if has_ended else "Stopping…", interactive=False)

    def compare(self, run_id):
        """Preview and refined video of a run that has ended, side by side in one file."""
        with errors_shown():
            folder = RunFolder.open(self.worker.runs_dir, run_id)
            record = folder.read()
            if not record.num_refined_frames:
                raise JobError("this run has no refined video (yet)")
            if not folder.compared_path.exists():
                videos = folder.video_path(), folder.video_path(is_refined=True)
                write_side_by_side(*videos, folder.compared_path)
        return file_update(folder.compared_path, file_name(record, "-compared.mp4"))

    def describe_run(self, run_id: str) -> dict[str, Any]:
        """State, settings and result of a run, as JSON."""
        with errors_shown():
            return summary(self.worker.record(run_id))

    def choose_preset(self, name):
        """The defaults of a preset for (chunks, APM, steps, guidance, scheduler), then its
        examples, its description, the refine switch and its sizes."""
        with errors_shown():
            preset = self._preset(name)
        config = preset.config(prompt="any")
        return (
            config.num_chunks,
            config.apm_strength,
            config.num_inference_steps,
            config.guidance_scale,
            config.scheduler,
            gr.update(samples=[[example] for example in preset.examples]),
            describe_preset(preset),
            refine_switch(preset, config.refine),
            size_choice(preset, config.frame_size),
        )

    def restore(self, last_run, request: gr.Request):
        """The settings of the run that is shown, so that they can be seen and used again:
        (prompt, preset, chunks, APM, steps, guidance, scheduler, CAM, negative prompt, refine,
        blending, size, later seeds)."""
        try:
            settings = self.worker.record(run_to_show(last_run, request)).settings
        except JobError:
            return (gr.skip(),) * 13
        return self.fill_in(settings.config, settings.preset)

    def fill_in(self, config: GenerationConfig, preset: str) -> tuple:
        """Values for the parts of the page that `restore` names."""
        preset = self.presets.get(preset)
        return (
            config.prompt,
            preset.name if preset else gr.skip(),
            config.num_chunks,
            config.apm_strength,
            config.num_inference_steps,
            config.guidance_scale,
            config.scheduler,
            config.use_cam,
            config.negative_prompt,
            refine_switch(preset, config.refine) if preset else gr.skip(),
            config.blending,
            size_choice(preset, config.frame_size) if preset else gr.skip(),
            config.reseed,
        )

    def describe_length(self, num_chunks, preset) -> str:
        """How much video a number of chunks makes."""
        if num_chunks is None:
            return "Say how many: the first has 16 frames, every other adds 8"
        try:
            chosen = self._preset(preset)
            num_frames = chosen.config(prompt="any", num_chunks=num_chunks).num_frames
        except T2VError as error:
            return sentence(error)
        return f"{num_frames} frames, {num_frames / chosen.fps:.1f} s of video"

    def chunks_for(self, seconds: float, preset) -> int:
        """Number of chunks that make at least this much video."""
        num_frames = seconds * self._preset(preset).fps
        return 1 + max(0, math.ceil((num_frames - CHUNK_FRAMES) / NUM_NEW_FRAMES))

    def _preset(self, name) -> Preset:
        if not isinstance(name, str) or name not in self.presets:
            raise PresetError(f"preset must be one of {', '.join(self.presets)}, got {brief(name)}")
        return self.presets[name]

    def _player(
        self, folder: RunFolder, scratch: Path, is_refined: bool
    ) -> SegmentPlayer | GrowingPlayer:
        if self.is_streaming:
            return SegmentPlayer(scratch, is_refined)
        return GrowingPlayer(folder, scratch, is_refined)


async def all_updates(follower: Follower) -> AsyncIterator[list[Update]]:
    """What is new of a run, from its start to its end; an empty list where nothing is, so that
    whoever looks can do what else there is."""
    while not follower.has_ended:
        yield (updates := follower.poll())
        if not updates:
            await asyncio.sleep(1 / LOOKS_PER_SECOND)


def run_to_show(last_run, request: gr.Request):
    """The run that the link of a page names; without one the last one of this browser, unless the
    link is for a new video."""
    query = request.query_params
    return query.get("run") or ("" if "new" in query else last_run)
