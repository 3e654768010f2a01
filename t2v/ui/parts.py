"""Parts that pages are built from."""

import gradio as gr


# Options of an event that is the page's own and answers at once.
PRIVATE = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}


def text_box(**options) -> gr.Textbox:
    """Passes on what came, where a Textbox turns anything into text: {} would be a prompt."""
    box = gr.Textbox(**options)
    box.preprocess = lambda payload: payload
    return box
