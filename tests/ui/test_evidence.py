"""The last benchmark on the page: of a folder of anybody, text is escaped and pictures copied."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from t2v.cli import main
from t2v.cli.app import evidence_folder
from t2v.ui.evidence import Evidence, markdown_html
from t2v.ui.wiring import build_page
from tests.support.fakes import painted_preset


TABLE = """# blending (quick)

Does it <script>alert(1)</script> blend?

| arm | seam \\* |
| --- | --- |
| `joint` | 1.25 [1.1, 1.4] |
| `<img src=x onerror=alert(1)>` | **no** |

\\* ranks a control above real video
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A benchmark with one suite."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    suite = tmp_path / "bench" / "blending"
    (suite / "xt").mkdir(parents=True)
    (suite / "table.md").write_text(TABLE)
    (suite / "report.json").write_text(json.dumps({"question": "<u>Seams?</u>", "quick": True}))
    for name in ("contact.png", "xt/000-0.png"):
        Image.fromarray(np.zeros((5, 7, 3), np.uint8)).save(suite / name)
    return tmp_path / "bench"


def pictures(html: str) -> list[Path]:
    return [Path(unquote(found)) for found in re.findall('src="gradio_api/file=([^"]+)"', html)]


def test_tables_and_pictures_are_shown_and_nothing_in_them_is_html(folder):
    html = Evidence(folder).show()
    assert "<b>blending</b> &lt;u&gt;Seams?&lt;/u&gt; <span" in html
    assert '<th scope="row"><code>joint</code></th><td>1.25 [1.1, 1.4]</td>' in html
    assert "<td><strong>no</strong></td>" in html and "seam &#42;</th>" in html
    assert "<script" not in html and "<img src=x" not in html and "<u>" not in html
    assert len(pictures(html)) == 2
    for path in pictures(html):
        assert path.read_bytes() in [p.read_bytes() for p in folder.rglob("*.png")]
        assert not path.is_relative_to(folder)  # a copy in the cache: the folder is not served


def test_files_from_elsewhere_and_of_other_kinds_are_not_copied(folder, tmp_path):
    secret = tmp_path / "secret.png"
    Image.fromarray(np.full((3, 3, 3), 9, np.uint8)).save(secret)
    suite = folder / "blending"
    (suite / "link.png").symlink_to(secret)
    (suite / "page.png").write_text("<script>alert(1)</script>")
    (suite / "videos.npy").write_bytes(b"frames")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "table.md").write_text("# other")
    (folder / "other").symlink_to(tmp_path / "other")
    (folder / "not a name!").mkdir()
    (folder / "not a name!" / "table.md").write_text("# strange")
    html = Evidence(folder).show()
    assert len(pictures(html)) == 2
    assert "other" not in html and "strange" not in html


def test_damaged_reports_and_tables_are_shown_as_far_as_they_go(folder):
    (folder / "blending" / "report.json").write_text('{"question": ')
    (folder / "blending" / "table.md").write_bytes(b"| a\n|\n| --- |\n\xff| b | c |\n")
    assert "<b>blending</b>" in Evidence(folder).show()
    (folder / "blending" / "report.json").write_text('{"question": [1], "quick": "yes"}')
    assert "badge" not in Evidence(folder).show()


def test_the_newest_suite_comes_first(folder):
    (folder / "apm").mkdir()
    (folder / "apm" / "table.md").write_text("# apm\n\nnew\n")
    html = Evidence(folder).show()
    assert html.index("<b>apm</b>") < html.index("<b>blending</b>")


def test_the_panel_is_shown_when_a_page_is_loaded_after_the_benchmark(worker, folder, tmp_path):
    later = tmp_path / "later"
    page = build_page(worker, {"painted": painted_preset()}, "painted", evidence=later)
    (panel,) = [b for b in page.blocks.values() if getattr(b, "elem_id", "") == "evidence"]
    (load,) = [one for one in page.fns.values() if panel in one.outputs]
    assert load.targets == [(page._id, "load")]
    assert panel.visible is False and load.fn()["visible"] is False
    folder.rename(later)
    assert load.fn()["visible"] is True
    assert not Evidence(None).is_there


def test_the_usual_folder_of_the_benchmark_need_not_be_there_when_the_app_starts(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert evidence_folder(None) == Path("bench")


def test_a_folder_that_is_not_there_is_refused_before_anything_is_loaded(tmp_path, capsys):
    assert main(["app", "--evidence", str(tmp_path / "none")]) == 2
    assert "--evidence: there is no folder" in capsys.readouterr().err


def test_markdown_is_paragraphs_headings_and_tables():
    html = markdown_html("# A `b`\n\ntext **bold** <i>\n\n| x |\n|---|\n| 1 |\n| 2 |\nafter")
    assert html.startswith("<h4>A <code>b</code></h4><p>text <strong>bold</strong> &lt;i&gt;</p>")
    assert html.endswith("</tbody></table></div><p>after</p>")
    assert html.count("<tr>") == 3
