"""Panels of a run that fold away: edit, save and share; below all, evidence and history."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from t2v.ui.parameters import text_box
from t2v.ui.server import STATIC
from t2v.ui.texts.catalogue import tr


@dataclass(frozen=True, kw_only=True)
class EditPanel:
    accordion: gr.Accordion
    prompt: gr.Textbox
    blend: gr.Number
    change: gr.Button
    chunk: gr.Number
    is_new_seed: gr.Checkbox
    other_prompt: gr.Textbox
    redo: gr.Button
    confirmation: gr.Row
    question: gr.Markdown
    asked: gr.JSON  # what the question is about: the values of `CommandButtons.click_redo`
    confirm: gr.Button
    keep: gr.Button


@dataclass(frozen=True, kw_only=True)
class SharePanel:
    link: gr.Textbox
    use_settings: gr.Button
    favourite: gr.Button
    delete: gr.Button
    confirmation: gr.Row
    asked: gr.Textbox  # the id of the run that the question is about
    confirm: gr.Button
    keep: gr.Button
    gif: gr.Button
    bundle: gr.Button
    json: gr.Button
    other_run: gr.Textbox
    side_by_side: gr.Button
    made_file: gr.File


@dataclass(frozen=True, kw_only=True)
class HistoryPanel:
    accordion: gr.Accordion
    query: gr.Textbox
    only_favourites: gr.Checkbox
    gallery: gr.HTML
    delete: gr.Button  # of all that were stopped or have failed
    confirmation: gr.Row
    confirm: gr.Button
    keep: gr.Button
    known: gr.JSON  # ids that the browser knows: page.js fills it in


@dataclass(frozen=True, kw_only=True)
class EvidencePanel:
    accordion: gr.Accordion
    suites: gr.HTML


def build_edit_panel() -> EditPanel:
    title = tr("Edit: change the prompt, or regenerate from a chunk")
    with gr.Accordion(title, open=False, elem_id="edit-panel") as accordion:
        with gr.Row(elem_classes="edit-row"):
            prompt = text_box(
                label=tr("Prompt from the next chunk on"),
                placeholder=tr("What should the video show next?"),
                max_lines=3,
                scale=4,
                min_width=200,
                elem_id="next-prompt",
            )
            blend = gr.Number(
                label=tr("Fade over (chunks)"), value=0, step=1, min_width=130, elem_id="blend"
            )
            change = small_button(tr("Change prompt"), 110, elem_id="change")
        with gr.Row(elem_classes="edit-row"):
            chunk = gr.Number(
                label=tr("From chunk"), value=0, step=1, min_width=110, elem_id="redo-chunk"
            )
            other_prompt = text_box(
                label=tr("New prompt (optional)"),
                placeholder=tr("Empty: keep the prompt"),
                max_lines=3,
                scale=3,
                min_width=160,
                elem_id="redo-prompt",
            )
            is_new_seed = gr.Checkbox(label=tr("New seed"), value=True, min_width=110)
            redo = small_button(tr("Regenerate"), 110, elem_id="redo")
        with gr.Row(
            visible=False, elem_classes="callout confirmation", elem_id="redo-question"
        ) as confirmation:
            question = gr.Markdown()
            keep = small_button(tr("Cancel"), 80)
            confirm = small_button(tr("Regenerate them"), 120, variant="stop")
        gr.Markdown(
            tr(
                "Click a chunk in the timeline to select it. That chunk and all later ones are "
                "generated again. Chunks count from 0."
            ),
            elem_classes="quiet",
        )
    return EditPanel(
        accordion=accordion,
        prompt=prompt,
        blend=blend,
        change=change,
        chunk=chunk,
        is_new_seed=is_new_seed,
        other_prompt=other_prompt,
        redo=redo,
        confirmation=confirmation,
        question=question,
        asked=gr.JSON(visible=False, label="Asked"),
        confirm=confirm,
        keep=keep,
    )


def build_share_panel() -> SharePanel:
    with gr.Accordion(tr("Save and share"), open=False, elem_id="share"):
        link = gr.Textbox(
            label=tr("Link to this video"),
            info=tr(
                "Anyone with the link can watch, download and reuse the settings. Only whoever "
                "asked for the video, and whoever runs this app, can change it."
            ),
            interactive=False,
            buttons=["copy"],
            elem_id="link",
        )
        with gr.Row():
            favourite = small_button(tr("☆ Favourite"), 100, elem_id="favourite")
            use_settings = small_button(tr("Use these settings"), 130)
            delete = small_button(tr("Delete…"), 80, interactive=False, elem_id="delete")
        with gr.Row():
            gif = small_button(tr("Download GIF"), 100)
            json = small_button(tr("Download settings (JSON)"), 150)
            bundle = small_button(tr("Download reproducibility bundle"), 180)
        with gr.Row(visible=False, elem_classes="callout confirmation") as confirmation:
            gr.Markdown(tr("Delete this video with all its files? This cannot be undone."))
            keep = small_button(tr("Cancel"), 80)
            confirm = small_button(tr("Delete"), 120, variant="stop")
        with gr.Row(elem_classes="edit-row"):
            other_run = text_box(
                label=tr("Another video"), placeholder=tr("Its link or id"), scale=2
            )
            side_by_side = small_button(tr("Compare side by side"), 120)
        made_file = gr.File(label=tr("File"), interactive=False, elem_id="made-file")
    return SharePanel(
        link=link,
        use_settings=use_settings,
        favourite=favourite,
        delete=delete,
        confirmation=confirmation,
        asked=text_box(visible=False, label="Asked"),
        confirm=confirm,
        keep=keep,
        gif=gif,
        bundle=bundle,
        json=json,
        other_run=other_run,
        side_by_side=side_by_side,
        made_file=made_file,
    )


def build_evidence_panel() -> EvidencePanel:
    """Builds the panel of the last benchmark, below the history; it is shown if there is one."""
    title = tr("Evidence: the last benchmark")
    with gr.Accordion(title, open=False, visible=False, elem_id="evidence") as accordion:
        gr.Markdown(
            tr("The tables, plots and pictures that the benchmark has written."),
            elem_classes="quiet",
        )
        suites = gr.HTML(elem_id="evidence-suites")
    return EvidencePanel(accordion=accordion, suites=suites)


def build_history_panel() -> HistoryPanel:
    """An accordion below everything else."""
    with gr.Accordion(tr("Your videos"), open=False, elem_id="history") as accordion:
        with gr.Row(elem_id="search"):
            query = gr.Textbox(
                label=tr("Search"), placeholder=tr("Words of the prompt"), max_lines=1, scale=3
            )
            only_favourites = gr.Checkbox(label=tr("Favourites only"), scale=1, min_width=140)
        script = (STATIC / "run_actions.js").read_text(encoding="utf-8")
        gallery = gr.HTML(elem_id="gallery", js_on_load=script)
        with gr.Row():
            delete = small_button(tr("Delete all that were stopped or failed…"), 240, scale=0)
        with gr.Row(visible=False, elem_classes="callout confirmation") as confirmation:
            gr.Markdown(
                tr(
                    "Delete all your videos that were stopped or failed, except favourites? This "
                    "cannot be undone."
                )
            )
            keep = small_button(tr("Cancel"), 80)
            confirm = small_button(tr("Delete them"), 120, variant="stop")
    return HistoryPanel(
        accordion=accordion,
        query=query,
        only_favourites=only_favourites,
        gallery=gallery,
        delete=delete,
        confirmation=confirmation,
        confirm=confirm,
        keep=keep,
        known=gr.JSON(visible=False, label="Known ids"),
    )


def small_button(text: str, min_width: int, **options: Any) -> gr.Button:
    return gr.Button(text, size="sm", min_width=min_width, **options)
