"""Where browsers fetch the files of a run: addresses that end with the run.

What Gradio is given it copies into its cache, where it would outlive the run, and the address tells
the path of that copy. So it is given a link in the cache instead: nothing is copied, no path of
this machine is told, and a run that is deleted takes along whatever its links led to.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import gradio as gr
from gradio.utils import get_upload_folder


def serve_from(runs_dir: Path) -> None:
    """Lets Gradio send files of runs as they are, without copies."""
    gr.set_static_paths(runs_dir)


def address_of(path: Path) -> str:
    """What stands for a file of a run on the page and for programs. It changes with the file, so
    that nobody is shown an older one, and cannot be guessed, as the id of the run cannot."""
    state = f"{path} {path.stat().st_mtime_ns}"
    link = Path(get_upload_folder()) / sha256(state.encode()).hexdigest() / path.name
    link.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        link.symlink_to(path)
    return str(link)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder whose files can be sent, too, and go away with it: copied by nobody."""
    cache = Path(get_upload_folder())
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="longtake-", dir=cache) as scratch:
        yield Path(scratch)
