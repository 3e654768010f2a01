"""Evidence: the tables and pictures of the last benchmark, read from its folder.

Anybody may have written that folder: all its text is escaped, and of its files only PNG pictures
inside it are shown. They are copied into Gradio's cache, so the folder itself is not served.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import groupby, islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gradio.utils import get_upload_folder

from t2v.json_reader import read_json
from t2v.ui.labels import escaped
from t2v.ui.texts.catalogue import tr


NAME = r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,40}"  # of a suite's folder
MAX_SUITES, MAX_PICTURES = 20, 12
MAX_TEXT, MAX_REPORT, MAX_PICTURE = 300_000, 8_000_000, 12_000_000  # bytes
PNG = b"\x89PNG\r\n\x1a\n"


class Evidence:
    """The folder of a benchmark, which may come and go; None if nothing is to be shown."""

    def __init__(self, folder: Path | None):
        self._folder = folder.absolute() if folder else None

    @property
    def is_there(self) -> bool:
        """Whether there is anything to show."""
        return bool(self._suites())

    def show(self) -> str:
        """HTML: one part for each suite, the newest first. Reads files."""
        parts = "".join(self._draw(suite) for suite in self._suites())
        return f'<div class="evidence">{parts}</div>' if parts else ""

    def _suites(self) -> list[Path]:
        """Folders of suites that have a table."""
        if self._folder is None or not self._folder.is_dir():
            return []
        tables = [
            table
            for table in self._folder.glob("*/table.md")
            if re.fullmatch(NAME, table.parent.name) and self._is_inside(table)
        ]
        tables.sort(key=lambda table: table.stat().st_mtime_ns, reverse=True)
        return [table.parent for table in tables[:MAX_SUITES]]

    def _is_inside(self, path: Path) -> bool:
        """Whether this is a file of the folder, and no link to elsewhere."""
        folder = (self._folder or path).resolve()
        return path.is_file() and path.resolve().is_relative_to(folder)

    def _draw(self, suite: Path) -> str:
        text = read_text(suite / "table.md")
        report = self._report(suite)
        question = report.get("question")
        question = question if isinstance(question, str) else ""
        quick = f' <span class="badge">{tr("quick")}</span>' if report.get("quick") is True else ""
        pictures = "".join(islice(self._pictures(suite), MAX_PICTURES))
        # Its beginning says what the summary says.
        body = markdown_html(re.sub(r"\A# .*\n", "", text).lstrip().removeprefix(question))
        return (
            f"<details><summary><b>{escaped(suite.name)}</b> {escaped(question)}{quick}</summary>"
            f"{body}{pictures}</details>"
        )

    def _report(self, suite: Path) -> dict[str, Any]:
        """The values of `report.json`; none if it is missing or damaged."""
        path = suite / "report.json"
        try:
            if not self._is_inside(path) or path.stat().st_size > MAX_REPORT:
                return {}
            values = read_json(path.read_bytes())
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}

    def _pictures(self, suite: Path) -> Iterator[str]:
        for path in sorted(suite.rglob("*.png")):
            if self._is_inside(path) and (address := copy_picture(path)):
                name = escaped(path.relative_to(suite).with_suffix("").as_posix())
                yield (
                    f'<figure><img loading="lazy" alt="{name}" '
                    f'src="gradio_api/file={quote(address)}"><figcaption>{name}</figcaption></figure>'
                )


def read_text(path: Path) -> str:
    """The beginning of a text file; "" if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_TEXT).decode("utf-8", "replace")
    except OSError:
        return ""


def copy_picture(path: Path) -> str:
    """The address of a copy of a picture; "" if it is no PNG, or too large."""
    try:
        if path.stat().st_size > MAX_PICTURE:
            return ""
        data = path.read_bytes()
        if not data.startswith(PNG):
            return ""
        copy = Path(get_upload_folder()) / sha256(data).hexdigest() / "picture.png"
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)
    except OSError:
        return ""
    return str(copy)


def markdown_html(text: str) -> str:
    """HTML of the Markdown that `longtake benchmark` writes: headings, paragraphs, tables.

    Everything else, HTML above all, stays text.
    """
    parts = []
    for is_table, group in groupby(text.splitlines(), key=lambda line: line.startswith("|")):
        lines = list(group)
        parts.append(table_html(lines) if is_table else "".join(map(line_html, lines)))
    return "".join(parts)


def line_html(line: str) -> str:
    if heading := re.fullmatch(r"#{1,4} (.+)", line):
        return f"<h4>{inline_html(heading[1])}</h4>"
    return f"<p>{inline_html(line)}</p>" if line.strip() else ""


def table_html(lines: list[str]) -> str:
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in lines
    ]
    rows = [row for row in rows if not all(re.fullmatch(":?-+:?", cell) for cell in row)]
    head, *body = [[inline_html(cell) for cell in row] for row in rows] or [[]]
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    html = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
        for first, *rest in body
    )
    return (
        f'<div class="scrolled" tabindex="0" role="region" aria-label="{tr("Table")}"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{html}</tbody></table></div>"
    )


def inline_html(text: str) -> str:
    """Escaped text with `code` and **bold**."""
    text = escaped(text).replace("\\*", "&#42;").replace("\\|", "|")
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", text)
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text)
