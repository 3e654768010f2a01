"""Checksums of downloads: the commit of every repository and the SHA-256 of every file.

The first download records them, and every later one must match. Whether the first one was right
cannot be known here: for that, a preset may state digests.
"""

import json
from pathlib import Path

from t2v.errors import CheckpointError
from t2v.settings.weight_source import WeightSource
from t2v.weight_hashes import hash_file


class Checksums:
    """A JSON file: {repository: {"commit": ..., "sha256": {file: digest}}}."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self._records = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}") from error

    def commit(self, source: WeightSource) -> str | None:
        """The commit that the files of a source came from, if any came."""
        return self._records.get(source.repo, {}).get("commit")

    def record_commit(self, source: WeightSource, commit: str) -> None:
        self._record(source)["commit"] = commit
        self._write()

    def check(self, source: WeightSource, name: str, path: Path, stated: str | None = None) -> bool:
        """Compares a file with its known checksum, or records it.

        Args:
            stated: the digest that the file's repository states, if it does.

        Returns:
            Whether the file was known before, from the preset or from an earlier download.

        Raises:
            CheckpointError: the checksums differ.
        """
        digest = hash_file(path)
        digests = self._record(source)["sha256"]
        known = source.sha256.get(name) or digests.get(name)
        if digest != (known or stated or digest):
            raise CheckpointError(
                f"{path} is not the file that is known as {name} of {source.repo}: its SHA-256 is "
                f"{digest}, not {known or stated}. Delete it and try again; if it was replaced at "
                f"its home and you trust that, delete its line in {self.path} too"
            )
        if known is None:
            digests[name] = digest
            self._write()
        return known is not None

    def _record(self, source: WeightSource) -> dict:
        return self._records.setdefault(source.repo, {"commit": None, "sha256": {}})

    def _write(self) -> None:
        partial = self.path.with_suffix(".tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(self._records, indent=1) + "\n", encoding="utf-8")
            partial.replace(self.path)
        except OSError as error:
            raise CheckpointError(f"cannot write {self.path}: {error.strerror}") from error
