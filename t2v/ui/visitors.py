"""Telling visitors apart, without knowing who they are."""

import hashlib
import secrets

import gradio as gr

from t2v.ui.access import GUEST_NAME


SECRET = secrets.token_bytes(16)  # of this process: nobody can be found by what is kept on disk


def visitor_of(request: gr.Request | None) -> str:
    """The same for one account or address, as long as the app runs; "" for a call from within.

    All guests of a link have one name: they are told apart by their addresses.
    """
    if request is None or getattr(request, "client", None) is None:
        return ""
    # The share link's and a Space's proxy say where a request came from.
    forwarded = request.headers.get("x-forwarded-for", "").split(",")[0].strip()
    account = request.username if request.username != GUEST_NAME else ""
    name = account or forwarded or request.client.host or ""
    return hashlib.sha256(SECRET + name.encode()).hexdigest()[:16]
