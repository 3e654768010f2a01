"""How the page looks and is served."""

import shutil
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from t2v.jobs.worker import Worker
from t2v.ui.access import OWNER, Access
from t2v.ui.addresses import serve_from
from t2v.ui.visitors import GiveNumbers


STATIC = Path(__file__).parent / "static"
VIEWERS = 200  # pages that may watch at the same time
FONT = ("ui-sans-serif", "system-ui", "sans-serif")  # no font is fetched from anywhere


def can_stream() -> bool:
    """Streaming to the browser needs both programs on PATH."""
    return all(shutil.which(program) for program in ("ffmpeg", "ffprobe"))


def appearance() -> dict[str, Any]:
    """Arguments for `launch`: how the page looks, and its little script."""
    theme = gr.themes.Base(
        primary_hue="indigo",
        neutral_hue="slate",
        radius_size="lg",
        font=FONT,
        font_mono=("ui-monospace", "monospace"),
    ).set(
        body_background_fill="*neutral_50",
        block_radius="*radius_lg",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
    )
    return {
        "theme": theme,
        "css_paths": [STATIC / "page.css"],
        "js": (STATIC / "page.js").read_text(encoding="utf-8"),
    }


def launch_page(
    page: gr.Blocks,
    worker: Worker,
    *,
    host: str,
    port: int | None = None,
    access: Access = OWNER,
    **options,
):
    """Serves the page; only files of runs leave this machine, and only to who knows their id."""
    serve_from(worker.runs_dir)
    return page.queue(max_size=VIEWERS + 50).launch(
        server_name=host,
        server_port=port,
        allowed_paths=[str(worker.runs_dir)],
        auth=access.login,
        enable_monitoring=False,
        run_history=False,
        footer_links=["api"],
        max_file_size=access.max_upload,
        app_kwargs={"middleware": [Middleware(GiveNumbers)]},
        **appearance(),
        **options,
    )
