"""A run as updates of the page: when it is first shown, while it grows, and at its end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block

from t2v.events import Track
from t2v.runs.events import Failed, Finished
from t2v.runs.record import ENDED, RunRecord, RunSettings
from t2v.settings.presets import Preset
from t2v.ui.auth import ONLY_WATCHING
from t2v.ui.facts import facts
from t2v.ui.form import Form, Updates
from t2v.ui.server import MAX_VIEWERS
from t2v.ui.stage import Screen, Stage
from t2v.ui.texts.catalogue import tr
from t2v.ui.urls import address_of, file_name


class RunView:
    """The components that show a run, and their updates.

    Args:
        presets: by name.
    """

    def __init__(self, form: Form, stage: Stage, presets: Mapping[str, Preset]):
        self.form = form
        self.stage = stage
        self._presets = presets

    @property
    def outputs(self) -> list[Block]:
        """All these components, in the order of the answers of /generate."""
        form, stage, controls = self.form, self.stage, self.stage.controls
        return [
            stage.preview.live,
            stage.status,
            stage.preview.result,
            stage.summary,
            form.settings["seed"],
            stage.run_id,
            stage.preview.download,
            form.stop,
            stage.refined.live,
            stage.refined.result,
            stage.refined.download,
            stage.compare,
            stage.compared,
            controls.timeline,
            controls.pause,
            controls.resume,
            stage.edit.redo,
            stage.edit.change,
            stage.share.favourite,
            stage.share.delete,
            controls.note,
            stage.facts,
            stage.revision,
            controls.extend,
            stage.preview.cover,
            stage.refined.cover,
            controls.refine,
            stage.edit.accordion,
            controls.measures,
        ]

    def screen(self, track: Track) -> Screen:
        return self.stage.refined if track == "refined" else self.stage.preview

    def first(self, record: RunRecord, status: str, timeline: str, *, may_change: bool) -> Updates:
        """A run that is about to be followed.

        Args:
            status, timeline: HTML.
            may_change: the visitor may change the run, and not only watch it.
        """
        stage, controls = self.stage, self.stage.controls
        return {
            stage.status: status,
            stage.preview.result: file_update(None),
            stage.summary: summary(record),
            self.form.settings["seed"]: record.settings.config.seed,
            stage.run_id: record.id,
            stage.preview.download: file_update(None),
            self.form.stop: gr.update(value=tr("Stop"), interactive=may_change),
            stage.refined.result: file_update(None),
            stage.refined.download: file_update(None),
            stage.compare: gr.update(visible=False),
            stage.compared: file_update(None),
            controls.timeline: timeline,
            controls.measures: "",
            controls.pause: gr.update(value=tr("Pause"), visible=True, interactive=may_change),
            controls.resume: gr.update(visible=False),
            controls.refine: gr.update(visible=False),
            stage.edit.redo: gr.update(interactive=False),
            controls.extend: gr.update(interactive=may_change),
            stage.edit.change: gr.update(interactive=may_change),
            stage.share.favourite: favourite_button(record.is_favourite, may_change),
            stage.share.delete: gr.update(interactive=False),
            stage.facts: facts(record),
            controls.note: gr.update(value=tr(ONLY_WATCHING), visible=not may_change),
            **self._opened(may_change and record.state not in ENDED),
        }

    def _opened(self, is_live: bool) -> Updates:
        """Opens the panel for changes beside a run that is made; never closes it.

        A page that follows the same run again must not close what the visitor has just opened.
        """
        return {self.stage.edit.accordion: gr.update(open=True)} if is_live else {}

    def growing(self, record: RunRecord, timeline: str, *, may_redo: bool) -> Updates:
        """A run whose chunks or settings have changed."""
        return {
            self.stage.controls.timeline: timeline,
            self.stage.edit.redo: gr.update(interactive=may_redo),
            self.stage.facts: facts(record),
        }

    def last(
        self,
        record: RunRecord,
        end: Finished | Failed,
        status: str,
        timeline: str,
        *,
        has_chunks: bool,
        may_change: bool,
    ) -> Updates:
        """A run that has ended. Reads files: whether its refiner is installed."""
        stage, controls = self.stage, self.stage.controls
        is_complete = record.state == "finished"
        preview_name, refined_name = (file_name(record, end) for end in (".mp4", "-refined.mp4"))
        return {
            stage.status: status,
            stage.preview.result: file_update(end.path, preview_name),
            stage.summary: summary(record),
            self.form.settings["seed"]: record.settings.config.seed,
            stage.run_id: record.id,
            stage.preview.download: file_update(end.path, preview_name),
            self.form.stop: gr.update(value=tr("Stop"), interactive=False),
            stage.refined.result: file_update(end.refined_path, refined_name),
            stage.refined.download: file_update(end.refined_path, refined_name),
            stage.compare: gr.update(visible=end.refined_path is not None),
            controls.timeline: timeline,
            controls.pause: gr.update(value=tr("Pause"), visible=False),
            controls.resume: gr.update(visible=not is_complete, interactive=may_change),
            controls.extend: gr.update(interactive=may_change),
            controls.refine: gr.update(
                visible=has_chunks and self._can_refine(record.settings), interactive=may_change
            ),
            stage.edit.redo: gr.update(interactive=has_chunks and may_change),
            stage.edit.change: gr.update(interactive=may_change and not is_complete),
            stage.share.favourite: favourite_button(record.is_favourite, may_change),
            stage.share.delete: gr.update(interactive=may_change),
            stage.facts: facts(record),
        }

    def _can_refine(self, settings: RunSettings) -> bool:
        """Whether a run that is not refined yet has a preset that can do so here."""
        preset = self._presets.get(settings.preset)
        has_refiner = preset is not None and preset.refiner_unavailable is None
        return has_refiner and not settings.config.refine

    def empty_players(self) -> Updates:
        """Empties the live players of another run.

        A plain None would be a segment of their streams. Each player needs an update of its own:
        Gradio takes the value out of an update when it sends it.
        """
        return {
            self.stage.preview.live: gr.update(value=None),
            self.stage.refined.live: gr.update(value=None),
        }


def shows_run(view: RunView) -> dict[str, Any]:
    """Options of an event that shows a run until it ends."""
    return {
        "outputs": view.outputs,
        "show_progress": "hidden",  # the status box says more; errors are toasts
        "concurrency_limit": MAX_VIEWERS,
    }


def favourite_button(is_favourite: bool, may_change: bool = True) -> dict[str, Any]:
    text = tr("★ Favourite") if is_favourite else tr("☆ Favourite")
    return gr.update(value=text, interactive=may_change)


def file_update(path: Path | None, name: str = "") -> dict[str, Any]:
    """An update of a component that is visible when its file exists.

    Args:
        name: of the downloaded file.
    """
    return gr.update(value=path and address_of(path, name), visible=path is not None)


def summary(record: RunRecord) -> dict[str, Any]:
    """A run as JSON, without paths of this machine."""
    return {
        "id": record.id,
        "state": record.state,
        "message": record.message,
        "created": record.created,
        "version": record.version,
        "num_frames": record.num_frames,
        "num_refined_frames": record.num_refined_frames,
        "video_seconds": record.num_frames / record.settings.fps,
        "seconds": round(record.seconds, 3),
        "peak_memory": record.peak_memory,
        "peak_gpu_memory": record.peak_gpu_memory,
        "is_favourite": record.is_favourite,
        "settings": record.settings.to_json(),
    }
