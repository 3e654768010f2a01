"""The controls of a run that is shown: its timeline, pause, more chunks, other words, once more."""

from typing import NamedTuple

import gradio as gr

from t2v.ui.launch import STATIC
from t2v.ui.parts import text_box


class Controls(NamedTuple):
    note: gr.Markdown
    timeline: gr.HTML
    pause: gr.Button
    resume: gr.Button
    more: gr.Number
    extend: gr.Button


class Steering(NamedTuple):
    accordion: gr.Accordion
    prompt: gr.Textbox
    blend: gr.Number
    change: gr.Button
    chunk: gr.Number
    is_new_seed: gr.Checkbox
    other_prompt: gr.Textbox
    redo: gr.Button


def build_controls() -> Controls:
    """What is always at hand while there is a run."""
    with gr.Column(elem_id="controls"):
        note = gr.Markdown(visible=False, elem_id="only-watching", elem_classes="quiet")
        script = (STATIC / "timeline.js").read_text(encoding="utf-8")
        timeline = gr.HTML(elem_id="timeline", js_on_load=script)
        with gr.Row(elem_id="going-on"):
            pause = gr.Button("Pause", size="sm", min_width=90, elem_id="pause")
            resume = gr.Button("Resume", size="sm", min_width=90, visible=False, elem_id="resume")
            more = gr.Number(
                label="How many chunks to add",
                value=4,
                step=1,
                container=False,
                min_width=70,
                elem_id="more-chunks",
            )
            extend = gr.Button("Add chunks", size="sm", min_width=90, elem_id="extend")
    return Controls(note, timeline, pause, resume, more, extend)


def build_steering() -> Steering:
    """What is used now and then."""
    title = "Change what comes next, or make a part anew"
    with gr.Accordion(title, open=False, elem_id="steer") as accordion:
        with gr.Row(elem_classes="steering"):
            prompt = text_box(
                label="Prompt from the next chunk on",
                placeholder="What should be seen now?",
                max_lines=3,
                scale=4,
                min_width=200,
                elem_id="next-prompt",
            )
            blend = gr.Number(
                label="Chunks to blend", value=0, step=1, min_width=130, elem_id="blend"
            )
            change = gr.Button("Change", size="sm", min_width=110, elem_id="change")
        with gr.Row(elem_classes="steering"):
            chunk = gr.Number(
                label="From chunk", value=0, step=1, min_width=110, elem_id="redo-chunk"
            )
            other_prompt = text_box(
                label="Another prompt",
                placeholder="Empty: the same",
                max_lines=3,
                scale=3,
                min_width=160,
                elem_id="redo-prompt",
            )
            is_new_seed = gr.Checkbox(label="New seed", value=True, min_width=110)
            redo = gr.Button("Make anew", size="sm", min_width=110, elem_id="redo")
        gr.Markdown(
            "A click on a chunk in the timeline chooses it. Chunks count from 0, as in prompts "
            "like `0: a red star / 6: a blue ring`; all after it are made anew, too.",
            elem_classes="quiet",
        )
    return Steering(accordion, prompt, blend, change, chunk, is_new_seed, other_prompt, redo)
