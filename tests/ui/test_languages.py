"""Which language a browser gets, and that the whole page is in it."""

import asyncio
import re
from types import SimpleNamespace

import pytest
from gradio.context import LocalContext
from starlette.testclient import TestClient

from t2v.errors import ConfigError, RunError
from t2v.settings.presets import list_presets
from t2v.settings.vocabulary import known_words
from t2v.ui.labels import describe_time, sentence
from t2v.ui.page_title import PageTitle
from t2v.ui.server import STATIC
from t2v.ui.texts.catalogue import language, pattern_of, read_tables, speaking, tr, tr_message
from t2v.ui.texts.languages import ENGLISH, READERS, choose_language
from t2v.ui.texts.page import Page as TranslatedPage
from t2v.ui.wiring import build_page
from tests.support.fakes import made, painted_preset
from tests.support.page import Page
from tests.support.texts import PLACE, form_of, forms, page_texts, script_texts


CHINESE = "zh-CN"
OTHERS = [other for other in READERS if other != ENGLISH]
# Names, not words: the page has them in every language.
NAMES = {"Longtake", "CAM", "APM", "GIF", "JSON", "GPU", "Helios", "ModelScope", "Shapes"}
NAMES |= {"Storybook", "red", "orange", "yellow", "green", "blue", "purple", "pink", "white"}
NAMES |= {
    "zeroscope",
    "ffmpeg",
    "ffprobe",
    "json",
    "zip",
    "StreamingT",
    "shapes",
    "storybook",
    "UTC",
}
NAMES |= {"SVD", "VGen", "SparseCtrl", "FreeNoise", "FramePack", "SkyReels", "Transformer"}


def in_chinese(text: str) -> bool:
    return re.search("[\u4e00-\u9fff]", text) is not None


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", CHINESE),
        ("zh", CHINESE),
        ("ZH-hans-SG", CHINESE),
        ("zh-Hans-TW", CHINESE),
        ("en-US,en;q=0.9,zh-CN;q=0.8", ENGLISH),
        ("en;q=0.3, zh-CN;q=0.31", CHINESE),
        ("zh-CN;q=0.2,en-GB;q=0.7", ENGLISH),
        ("de-DE,de;q=0.9", ENGLISH),
        ("de-DE,zh;q=0.2", CHINESE),  # the only one of the two that they read
        # Traditional characters are others; who also names `zh` can read both.
        ("zh-TW", ENGLISH),
        ("zh-Hant", ENGLISH),
        ("zh-Hant-HK,en", ENGLISH),
        ("zh-TW,zh;q=0.9,en-US;q=0.8", CHINESE),
        ("zh-CN;q=0, en;q=0.1", ENGLISH),
        ("zh;q=0,*", ENGLISH),
        ("en;q=0,*;q=0.5", CHINESE),
        ("en;q=0", ENGLISH),  # there must be one
        ("*", ENGLISH),
        ("", ENGLISH),
        (",;,", ENGLISH),
        ("zhuang", ENGLISH),  # begins like zh
        ("zh-CN;q=soon", CHINESE),
        ("en;q=0.5,zh-CN;q=nan", ENGLISH),
        ("en;q=0.5,zh-CN;q=-1", ENGLISH),
        ("en;q=0.9,zh-CN;q=7", CHINESE),  # at most 1
        ("zh-CN;level=1;Q = 0.9", CHINESE),
        ("\u4e2d\u6587;q=1", ENGLISH),
        ("x" * 100_000 + ",zh-CN", ENGLISH),
    ],
)
def test_a_browser_gets_the_first_language_that_it_prefers(header, chosen):
    assert choose_language(header) == chosen


@pytest.mark.parametrize("other", OTHERS)
def test_every_text_of_the_page_is_in_the_catalogue_and_nothing_else(other):
    tables = read_tables(other)
    messages = tables.pop("messages")
    texts = [text for table in tables.values() for text in table]
    assert set(texts) == page_texts()
    assert len(texts) == len(set(texts))
    assert not messages.keys() & set(texts)
    # Each message is made somewhere, in just these words; what it begins with may be added later.
    made_in_source = forms()
    assert [key for key in messages if not {form_of(key), form_of(key)[2:]} & made_in_source] == []


@pytest.mark.parametrize("other", OTHERS)
def test_a_translation_has_the_same_values_and_says_something(other):
    for table in read_tables(other).values():
        for key, text in table.items():
            assert sorted(set(PLACE.findall(text))) == sorted(set(PLACE.findall(key))), key
            assert bool(text.strip()) == bool(key.strip()), key


@pytest.mark.parametrize("other", OTHERS)
def test_bold_text_ends_where_markdown_sees_it(other):
    """After punctuation, ** closes only before a space or more punctuation."""
    for table in read_tables(other).values():
        for key, text in table.items():
            assert not re.search(r"[。：，；）]\*\*\w", text.replace("{", "x")), key


def test_texts_of_scripts_are_those_that_the_page_hands_them():
    from t2v.ui.stage import SCRIPT_TEXTS

    assert script_texts() == set(SCRIPT_TEXTS)


def test_texts_in_the_styles_are_those_that_the_script_replaces():
    shown = re.findall(r'content: [^;]*"(\w[^"]*)"', (STATIC / "page.css").read_text("utf-8"))
    assert set(shown) <= script_texts() and len(shown) == 4


def test_the_page_has_no_english_left_in_another_language(worker):
    presets = list_presets()
    page = build_page(worker, presets, "storybook", is_streaming=False)
    shown = page.config["components"]
    with speaking(CHINESE):
        translated = page.config["components"]
    words = set()
    for before, after in zip(shown, translated, strict=True):
        assert (before["id"], before["type"]) == (after["id"], after["type"])
        assert before["props"].keys() == after["props"].keys()
        words |= english_words(" ".join(seen_texts(after)))
    prompts = english_words(" ".join(presets["storybook"].examples))
    prompts |= set(known_words(presets["storybook"]))
    choices = {"ddim", "dpmsolver", "unipc", "causal", "shared_noise", "independent"}
    endpoint = {"Event", "Files", "Run"}  # of programs, in a row that is not shown
    assert words - prompts - choices - NAMES == endpoint


def seen_texts(component: dict) -> list[str]:
    props = component["props"]
    if props.get("visible") is not True:
        return []
    texts = [props.get(name) or "" for name in ("label", "info", "placeholder")]
    if component["type"] in ("button", "downloadbutton", "markdown", "html"):
        texts.append(props.get("value") or "")
    return texts + [choice[0] for choice in props.get("choices") or ()]


def english_words(html: str) -> set[str]:
    """What is read of it, also aloud, without the addresses of pictures."""
    seen = re.findall(r'>([^<]*)|(?:title|alt|aria-label|data-announce)="([^"]*)"', f">{html}")
    return set(re.findall(r"[A-Za-z_]{3,}", " ".join("".join(one) for one in seen)))


def test_a_run_is_told_in_the_language_of_its_viewer(worker):
    run_id = made(worker, prompt="0: elephant / 1: elephant", num_chunks=3)
    page = Page(worker, {"painted": painted_preset()})

    async def watch() -> list:
        return [shown async for shown in page.show(run_id)]

    def told() -> str:
        shown = asyncio.run(watch())
        parts = [part for one in shown for part in (one.status, one.timeline, one.facts)]
        strip = page.own_runs.poll([run_id])["html"]
        cards = page.history.find("", False, [run_id])
        told = "".join([*(part for part in parts if isinstance(part, str)), strip, cards])
        return re.sub("<dd>longtake .*?</dd>", "", told)  # versions

    english = told()
    with speaking(CHINESE):
        chinese = told()
    for text in ("已完成", "视频长 4.0 秒", "从 2.0 秒起", "收藏", "去噪步数"):
        assert text in chinese and text not in english
    stays = {"elephant", "painted", "ddim"} | NAMES
    # What the fake says, which no catalogue knows, and names of versions.
    assert english_words(chinese) - stays == {"this", "model", "does", "not", "know"}


def test_an_event_is_answered_in_the_language_of_its_browser():
    asked = {"accept-language": "zh-CN"}
    token = LocalContext.request.set(SimpleNamespace(headers=asked))
    try:
        assert (language(), tr("Generate")) == (CHINESE, "生成")
        assert describe_time(110) == "在本机约需 2 分钟。"
        LocalContext.request.set(SimpleNamespace(headers={}))  # a program
        with speaking(CHINESE):
            assert (language(), tr("Generate")) == (ENGLISH, "Generate")
    finally:
        LocalContext.request.reset(token)


@pytest.mark.parametrize(
    ("error", "chinese"),
    [
        (
            ConfigError("num_chunks must be a whole number from 1 to 120 on this server, got 'a'"),
            "此服务器上“片段数”须为 1 到 120 之间的整数，收到的是 'a'",
        ),
        (
            ConfigError("guidance_scale must be a number from 1.0 to 30.0, got 31"),
            "“引导系数”须为 1.0 到 30.0 之间的数字，收到的是 31",
        ),
        (
            ConfigError(
                "preset m cannot be used here: Its weights are not installed; `x y` gets them."
            ),
            "m 预设在此处不可用：其权重未安装；可用 x y 获取。",
        ),
        (RunError("there is no run with this id (any more)"), "没有此编号的视频，或已被删除"),
        # What the catalogue lacks stays English.
        (ConfigError("num_chunks is odd"), "Chunks is odd"),
        (ConfigError("a {brace} and a [bracket"), "A {brace} and a [bracket"),
    ],
)
def test_errors_of_other_parts_are_recognised_by_their_english_text(error, chinese):
    with speaking(CHINESE):
        assert sentence(error) == chinese


def test_what_a_visitor_wrote_is_not_taken_for_a_place():
    with speaking(CHINESE):
        assert tr("Example video: {prompt}", prompt="{n} of {total}").endswith("{n} of {total}")
        assert "{low}" in tr_message("size must be true or false, got '{low}'")
    assert pattern_of("{a} is {b}").fullmatch("x\ny is (z)").groupdict() == {
        "a": "x\ny",
        "b": "(z)",
    }


def test_programs_get_the_english_description_whoever_asks_first(worker):
    page = build_page(worker, {"painted": painted_preset()}, "painted")
    with speaking(CHINESE):
        described = page.get_api_info()
    assert not in_chinese(str(described))
    assert described == page.get_api_info()


def test_the_login_is_in_the_language_of_the_page():
    page = TranslatedPage()
    assert page.auth_message is None
    page.auth_message = "<p>$lead</p>"
    with speaking(CHINESE):
        assert page.auth_message == "<p>用文字生成长视频，边生成边播放。</p>"
    assert page.auth_message.startswith("<p>Long videos")


def test_the_answer_names_its_language():
    async def app(_scope, _receive, send):
        body = f'<!doctype html><html\n lang="en"\n><head></head>{language()}'.encode()
        headers = [(b"content-type", b"text/html"), (b"content-length", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    client = TestClient(PageTitle(app, "Title"))
    for header, chosen in (("zh-CN,en;q=0.5", CHINESE), ("de", ENGLISH)):
        answer = client.get("/", headers={"accept-language": header})
        assert f'lang="{chosen}"' in answer.text and answer.text.endswith(chosen)
        assert answer.headers["content-language"] == chosen
        assert "accept-language" in answer.headers["vary"].lower()
        assert client.get("/config", headers={"accept-language": header}).text.endswith(chosen)
