"""Records of runs that were read before, as long as their files are the same."""

import threading
from collections import OrderedDict

from t2v.atomic import Version
from t2v.errors import RunError
from t2v.runs.folder import RunFolder
from t2v.runs.record import RunRecord


MAX_KEPT = 2000  # records; those that were not asked for longest go first


class RecordCache:
    """Reads `run.json` only where it has changed: lists of runs are asked for again and again.

    A record is always replaced as a whole, so another one is another file.
    """

    def __init__(self, max_kept: int = MAX_KEPT):
        self._max_kept = max_kept
        self._kept: OrderedDict[str, tuple[Version, RunRecord]] = OrderedDict()
        self._keeping = threading.Lock()  # held for memory only, never for a file

    def describe(self, folder: RunFolder) -> RunRecord:
        """What `RunFolder.describe` says. Damaged records are not kept."""
        version = folder.version()
        if version is None:
            return folder.describe()
        with self._keeping:
            kept = self._kept.get(folder.id)
            if kept is not None and kept[0] == version:
                self._kept.move_to_end(folder.id)
                return kept[1]
        try:
            record = folder.read()
        except RunError:
            return folder.describe()
        with self._keeping:
            # If the file was replaced in between, its version is another one at the next call.
            self._kept[folder.id] = (version, record)
            self._kept.move_to_end(folder.id)
            while len(self._kept) > self._max_kept:
                self._kept.popitem(last=False)
        return record
