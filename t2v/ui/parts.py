"""Parts that pages are built from."""

import gradio as gr


def text_box(**options) -> gr.Textbox:
    """Passes on what came, where a Textbox turns anything into text: {} would be a prompt."""
    box = gr.Textbox(**options)
    box.preprocess = lambda payload: payload
    return box
