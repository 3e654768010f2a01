"""Where browsers fetch the files of a run, and under which names: addresses that end with the run.

What Gradio is given it copies into its cache, where it would outlive the run, and the address tells
the path of that copy. So it is given a link in the cache instead: nothing is copied, no path of
this machine is told, and a run that is deleted takes along whatever its links led to.
"""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import gradio as gr
from gradio.utils import get_upload_folder

from t2v.jobs.run_folder import RunRecord


MAX_NAME_LENGTH = 60


def serve_from(runs_dir: Path) -> None:
    """Lets Gradio send files of runs as they are, without copies."""
    gr.set_static_paths(runs_dir)


def address_of(path: Path, name: str = "") -> str:
    """What stands for a file of a run on the page and for programs. It changes with the file, so
    that nobody is shown an older one, and cannot be guessed, as the id of the run cannot.

    Args:
        name: under which it is downloaded, in place of its own.
    """
    state = f"{path} {path.stat().st_mtime_ns}"
    link = Path(get_upload_folder()) / sha256(state.encode()).hexdigest() / (name or path.name)
    link.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        link.symlink_to(path)
    return str(link)


def file_name(record: RunRecord, ending: str) -> str:
    """A name by which people know a file of a run again: what is seen, and its seed. Of files that
    are to say nothing of how they were made it says nothing, either."""
    config = record.settings.config
    text = config.prompts[0].text if record.settings.write_metadata else ""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = "-".join(re.findall("[a-z0-9]+", ascii_text.lower()))
    if len(words) > MAX_NAME_LENGTH:
        words = words[: max(0, words.rfind("-", 0, MAX_NAME_LENGTH + 1))]
    return f"{words}-seed-{config.seed}{ending}" if words else f"longtake-{record.id[:8]}{ending}"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder whose files can be sent, too, and go away with it: copied by nobody."""
    cache = Path(get_upload_folder())
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="longtake-", dir=cache) as scratch:
        yield Path(scratch)
