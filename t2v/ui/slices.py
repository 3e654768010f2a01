"""X-T slices on the page: the one of the shown run, which grows, and those of a comparison."""

from base64 import b64encode
from io import BytesIO
from typing import Any

from PIL import Image

from t2v.runs.folder import RunFolder
from t2v.runs.record import ENDED, RunRecord
from t2v.runs.slices import Slice, SliceCache, boundaries
from t2v.runs.worker import Worker
from t2v.ui.errors import errors_shown
from t2v.ui.labels import escaped
from t2v.ui.texts.catalogue import tr


MAX_TICKS = 64
MIDDLE = 0.5  # the row that is shown at first


class Slices:
    """Draws X-T slices."""

    def __init__(self, worker: Worker):
        self._worker = worker
        self._cache = SliceCache()

    def poll(self, run_id: str, row: float = MIDDLE, version: str = "") -> dict[str, Any]:
        """The slice of a run, unless the page has it already. A page asks again while it grows.

        Args:
            row: from 0 (top) to 1 (bottom).
            version: of what the page shows.

        Returns:
            Its version; whether it grows; and, if it is another version, its HTML.
        """
        with errors_shown():
            record = self._worker.record(run_id)
            found = self._find(record, row)
            has_more = found.follow()
        frames = f"{found.revision} {found.num_frames} {record.settings.num_frames}"
        newest = f"{record.id} {row:g} {frames}"
        is_live = has_more or record.state not in ENDED
        answer: dict[str, Any] = {"version": newest, "is_live": is_live, "has_more": has_more}
        if newest == version:
            return answer
        return answer | {"html": draw_slice(record, found, record.settings.num_frames)}

    def whole(self, record: RunRecord, length: float) -> str:
        """HTML of the middle row of a run that has ended.

        Args:
            length: frames that the full width stands for.
        """
        found = self._find(record, MIDDLE)
        while found.follow():
            pass
        return draw_slice(record, found, length)

    def _find(self, record: RunRecord, row: float) -> Slice:
        folder, settings = RunFolder(self._worker.runs_dir / record.id), record.settings
        return self._cache.find(folder, settings.chunking, row, settings.num_frames)


def draw_slice(record: RunRecord, found: Slice, length: float) -> str:
    """HTML: the picture as wide as its share of `length` frames, ticks at chunk boundaries."""
    if not found.num_frames or not found.height:
        return f'<p class="quiet">{tr("The slice begins with the first chunk.")}</p>'
    png = BytesIO()
    Image.fromarray(found.picture).save(png, format="PNG")
    data = b64encode(png.getvalue()).decode()
    words = escaped(
        tr(
            "Row {row} of {height} over {n} frames, from left to right",
            row=found.row,
            height=found.height,
            n=found.num_frames,
        )
    )
    length = max(length, found.num_frames)
    ticks = "".join(
        f'<i style="left:{at / length:.3%}"></i>'
        for at in boundaries(record.settings.chunking, found.num_frames, MAX_TICKS)
    )
    return (
        f'<figure class="slice"><div class="ticked"><img alt="{words}" '
        f'style="width:{found.num_frames / length:.3%}" src="data:image/png;base64,{data}">{ticks}'
        f"</div><figcaption>{words}</figcaption></figure>"
    )
