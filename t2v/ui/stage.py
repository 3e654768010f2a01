"""The right side of the page: the players, what is said of a run, and what can be done with it."""

from typing import NamedTuple

import gradio as gr

from t2v.ui.ablation import AblationPart, build_ablation
from t2v.ui.controls import Controls, Steering, build_controls, build_steering
from t2v.ui.live_video import survive_ffmpeg
from t2v.ui.parts import text_box
from t2v.ui.status import IDLE


class Screen(NamedTuple):
    live: gr.Video
    result: gr.Video


class Share(NamedTuple):
    """What is done with a video that is there."""

    link: gr.Textbox
    take_over: gr.Button
    favourite: gr.Button
    delete: gr.Button
    confirmation: gr.Row
    confirm: gr.Button
    keep: gr.Button
    gif: gr.Button
    bundle: gr.Button
    json: gr.Button
    other_run: gr.Textbox
    beside: gr.Button
    made_file: gr.File


class Stage(NamedTuple):
    screen: Screen
    refined_screen: Screen
    status: gr.HTML
    controls: Controls
    download: gr.DownloadButton
    refined_download: gr.DownloadButton
    compare: gr.Button
    compared: gr.Video
    steering: Steering
    facts: gr.HTML
    ablation: AblationPart
    share: Share


def build_stage(is_streaming: bool) -> Stage:
    with gr.Column(elem_id="stage"):
        with gr.Row(elem_id="screens"):
            screen = build_screen("", is_streaming)
            refined_screen = build_screen("refined-", is_streaming)
        status = gr.HTML(IDLE, elem_id="status")
        controls = build_controls()
        with gr.Row(elem_id="files"):
            download, refined_download = (
                gr.DownloadButton(text, visible=False, min_width=140, elem_id=elem_id)
                for text, elem_id in (
                    ("Download the video", "download"),
                    ("Download refined", "refined-download"),
                )
            )
            compare = gr.Button(
                "Show side by side", visible=False, min_width=140, elem_id="compare"
            )
        compared = gr.Video(
            label="Side by side",
            interactive=False,
            visible=False,
            buttons=["download"],
            elem_id="compared",
        )
        steering = build_steering()
        with gr.Accordion("How this video is made", open=False, elem_id="made"):
            facts = gr.HTML(elem_id="facts")
        ablation = build_ablation()
        share = build_share()
    files = download, refined_download, compare, compared
    return Stage(screen, refined_screen, status, controls, *files, steering, facts, ablation, share)


def build_screen(prefix: str, is_streaming: bool) -> Screen:
    """A live player and, in its place later, the finished video. page.js changes over."""
    with gr.Column(elem_id=f"{prefix}screen", elem_classes="screen", min_width=260):
        live = gr.Video(
            label="Live, refined" if prefix else "Live",
            streaming=is_streaming,
            autoplay=True,
            interactive=False,
            buttons=[],
            elem_id=f"{prefix}live",
            elem_classes=["live"] if is_streaming else ["live", "growing"],
        )
        result = gr.Video(
            label="Finished, refined" if prefix else "Finished video",
            interactive=False,
            visible=False,
            buttons=[],
            elem_id=f"{prefix}result",
            elem_classes="result",
        )
    return Screen(survive_ffmpeg(live), result)


def build_share() -> Share:
    with gr.Accordion("Keep and share", open=False, elem_id="share"):
        link = gr.Textbox(
            label="Link to this video",
            info="Whoever has it can watch, download and use the settings; only you can change it.",
            interactive=False,
            buttons=["copy"],
            elem_id="link",
        )
        with gr.Row():
            favourite = gr.Button("☆ Favourite", size="sm", min_width=100, elem_id="favourite")
            take_over = gr.Button("Use its settings", size="sm", min_width=120)
            gif = gr.Button("GIF", size="sm", min_width=80)
            bundle = gr.Button("Bundle to make it again", size="sm", min_width=140)
            json = gr.Button("JSON", size="sm", min_width=80)
            delete = gr.Button(
                "Delete…", size="sm", min_width=80, interactive=False, elem_id="delete"
            )
        with gr.Row(visible=False, elem_id="confirmation", elem_classes="callout") as confirmation:
            gr.Markdown("Delete this video for good, with all its files?")
            keep = gr.Button("Keep it", size="sm", min_width=80)
            confirm = gr.Button("Delete for good", variant="stop", size="sm", min_width=120)
        with gr.Row(elem_classes="steering"):
            other_run = text_box(label="Another video", placeholder="Its link or id", scale=2)
            beside = gr.Button("Put side by side", size="sm", min_width=120)
        made_file = gr.File(label="File", interactive=False, elem_id="made-file")
    return Share(
        link,
        take_over,
        favourite,
        delete,
        confirmation,
        confirm,
        keep,
        gif,
        bundle,
        json,
        other_run,
        beside,
        made_file,
    )
