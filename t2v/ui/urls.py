"""Addresses and names of the files of runs, as browsers and programs get them.

Gradio copies files into its cache, where they would outlive their run, and addresses contain the
path of that copy. So it gets symbolic links in its cache instead: nothing is copied, no path of
this machine is revealed, and when a run is deleted its links lead nowhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import gradio as gr
from gradio.utils import get_upload_folder

from t2v.output_names import name_of
from t2v.runs.record import RunRecord


def serve_from(runs_dir: Path) -> None:
    """Lets Gradio send the files of runs without copying them."""
    gr.set_static_paths(runs_dir)


def address_of(path: Path, name: str = "", secret: str = "") -> str:
    """The address of a file of a run.

    It changes with the file, so that no browser shows an older one, and it cannot be guessed, like
    the id of the run.

    Args:
        name: of the downloaded file; by default the name on disk.
        secret: makes another address of the same file.
    """
    state = f"{path} {path.stat().st_mtime_ns} {secret}".rstrip()
    link = Path(get_upload_folder()) / sha256(state.encode()).hexdigest() / (name or path.name)
    link.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        link.symlink_to(path)
    return str(link)


def file_name(record: RunRecord, ending: str) -> str:
    """A file name that people recognise: prompt and seed.

    Files without metadata get a neutral name.
    """
    config = record.settings.config
    text = config.prompts[0].text if record.settings.write_metadata else ""
    return f"{name_of(text, config.seed) or f'longtake-{record.id[:8]}'}{ending}"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder whose files can be sent without copying them."""
    cache = Path(get_upload_folder())
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="longtake-", dir=cache) as scratch:
        yield Path(scratch)
