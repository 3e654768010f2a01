"""What parts of the page are given: when a run is shown first, while it goes on, at its end."""

from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from t2v.jobs.run_folder import RunRecord
from t2v.jobs.updates import Failed, Finished
from t2v.presets import Preset
from t2v.ui.addresses import address_of, file_name
from t2v.ui.facts import facts
from t2v.ui.status import RunStatus
from t2v.ui.visitors import ONLY_WATCHING
from t2v.ui.words import describe_refiner, summary


class View(NamedTuple):
    """One value for every part of the page that tells about a run; skipped parts stay."""

    live: Any = gr.skip()
    status: Any = gr.skip()
    result: Any = gr.skip()
    summary: Any = gr.skip()
    seed: Any = gr.skip()
    run_id: Any = gr.skip()
    download: Any = gr.skip()
    stop: Any = gr.skip()
    refined_live: Any = gr.skip()
    refined_result: Any = gr.skip()
    refined_download: Any = gr.skip()
    compare: Any = gr.skip()
    compared: Any = gr.skip()
    timeline: Any = gr.skip()
    pause: Any = gr.skip()
    resume: Any = gr.skip()
    redo: Any = gr.skip()
    change: Any = gr.skip()
    favourite: Any = gr.skip()
    delete: Any = gr.skip()
    note: Any = gr.skip()
    facts: Any = gr.skip()
    again: Any = gr.skip()  # another value: what is shown holds no more, the page begins anew


def first_view(record: RunRecord, status: RunStatus, drawn: str, may_change: bool) -> View:
    """Of a run whose story is about to be told.

    Args:
        drawn: its timeline.
        may_change: it, or only watch it.
    """
    return View(
        status=status.to_html(),
        result=file_update(None),
        summary=summary(record),
        seed=record.settings.config.seed,
        run_id=record.id,
        download=file_update(None),
        stop=gr.update(value="Stop", interactive=True),
        refined_result=file_update(None),
        refined_download=file_update(None),
        compare=gr.update(visible=False),
        compared=file_update(None),
        timeline=drawn,
        pause=gr.update(value="Pause", visible=True, interactive=True),
        resume=gr.update(visible=False),
        redo=gr.update(interactive=False),
        change=gr.update(interactive=True),
        favourite=favourite_button(record.is_favourite),
        delete=gr.update(interactive=False),
        facts=facts(record),
        note=gr.update(value=ONLY_WATCHING, visible=not may_change),
    )


def growing_view(record: RunRecord, status: RunStatus, drawn: str) -> View:
    """Of a run that has a chunk more, or fewer, or other ones to come."""
    redo = gr.update(interactive=status.num_playable > 0)
    return View(timeline=drawn, redo=redo, facts=facts(record))


def last_view(record: RunRecord, end: Finished | Failed, status: RunStatus, drawn: str) -> View:
    """Of a run that has ended."""
    is_complete = record.state == "finished"
    video = file_update(end.path, file_name(record, ".mp4"))
    refined = file_update(end.refined_path, file_name(record, "-refined.mp4"))
    return View(
        status=status.to_html(),
        result=video,
        summary=summary(record),
        seed=record.settings.config.seed,
        run_id=record.id,
        download=video.copy(),
        stop=gr.update(value="Stop", interactive=False),
        refined_result=refined,
        refined_download=refined.copy(),
        compare=gr.update(visible=end.refined_path is not None),
        timeline=drawn,
        pause=gr.update(value="Pause", visible=False),
        resume=gr.update(visible=not is_complete),
        redo=gr.update(interactive=status.num_playable > 0),
        change=gr.update(interactive=not is_complete),
        favourite=favourite_button(record.is_favourite),
        delete=gr.update(interactive=True),
        facts=facts(record),
    )


def with_empty_players(view: View) -> View:
    """The same without what the live players were given for another run.

    None alone would be a piece of their streams. Each has an update of its own, made anew: Gradio
    takes the value out of an update when it sends it.
    """
    return view._replace(live=gr.update(value=None), refined_live=gr.update(value=None))


def favourite_button(is_favourite: bool) -> Any:
    return gr.update(value="★ Favourite" if is_favourite else "☆ Favourite")


def file_update(path: Path | None, name: str = "") -> Any:
    """For a part of the page that is there when its file is, which is downloaded by this name."""
    return gr.update(value=path and address_of(path, name), visible=path is not None)


def refine_switch(preset: Preset, is_on: bool) -> Any:
    """The switch, which cannot be moved where the preset cannot refine."""
    is_available = preset.refiner_unavailable is None
    return gr.update(
        value=is_on and is_available, interactive=is_available, info=describe_refiner(preset)
    )
