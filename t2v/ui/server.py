"""Appearance and serving of the page."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.tunneling import CURRENT_TUNNELS
from starlette.types import ASGIApp

from t2v.runs.sharing.folder import WORK
from t2v.runs.votes import VOTES_FILE
from t2v.runs.worker import Worker
from t2v.ui.auth import OWNER, Access
from t2v.ui.request_guard import guarded
from t2v.ui.urls import serve_from
from t2v.ui.visitors import KEY_FILE, load_key


STATIC = Path(__file__).parent / "static"
TITLE = "Longtake"
MAX_VIEWERS = 200  # tabs that watch at the same time
# Local fonts only; those of simplified Chinese where the system's own has none.
FONT = (
    "ui-sans-serif",
    "system-ui",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
    "sans-serif",
)


def can_stream() -> bool:
    """Streaming to the browser needs both programs on PATH."""
    return all(shutil.which(program) for program in ("ffmpeg", "ffprobe"))


def appearance() -> dict[str, Any]:
    """Arguments for `launch`: theme, styles and script of the page."""
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
        button_primary_background_fill="*primary_600",  # white on 500 has a contrast of 4.46
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_700",
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
    has_metrics: bool = False,
    **options: Any,
) -> tuple[Any, str, str | None]:
    """Serves the page. Only files of runs leave this machine, and only for those who know the id.

    Args:
        has_metrics: serve `/metrics`, too; see `MetricsEndpoint`.

    Returns:
        The ASGI app, its address here and its public address if it has one, as Gradio's `launch`.
    """
    serve_from(worker.runs_dir)
    # The server itself would believe X-Forwarded-For from any program of this machine.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
    guard = guarded(
        TITLE,
        _with_metrics(worker) if has_metrics else lambda app: app,
        access=access,
        host=host,
        key=load_key(worker.runs_dir),
        share_url=lambda: page.share_url,
    )
    return page.queue(max_size=MAX_VIEWERS + 50).launch(
        server_name=host,
        server_port=port,
        allowed_paths=[str(worker.runs_dir)],
        # The names of runs are all that protects them.
        blocked_paths=[str(worker.runs_dir / name) for name in (KEY_FILE, WORK, VOTES_FILE)],
        auth=access.login,
        auth_message=(STATIC / "login.html").read_text(encoding="utf-8") if access.login else None,
        enable_monitoring=False,
        run_history=False,
        footer_links=["api"],
        max_file_size=access.max_upload,
        app_kwargs={"lifespan": guard},
        _frontend=False,  # or Gradio gives up if the page takes more than 3 s: on a busy machine
        **appearance(),
        **options,
    )


def _with_metrics(worker: Worker) -> Callable[[ASGIApp], ASGIApp]:
    """Imported only where it is asked for, so that the app starts as quickly without it."""
    from t2v.ui.metrics import metrics_for

    return metrics_for(worker)


def close_share_links() -> None:
    """Ends the programs that make public links; they would outlive the app."""
    for tunnel in CURRENT_TUNNELS:
        tunnel.kill()
