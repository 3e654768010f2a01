"""The form and the endpoints follow from the declarations of the settings."""

import asyncio
from dataclasses import dataclass

import gradio as gr
import pytest

from t2v.runs import record
from t2v.settings import config, preset, presets
from t2v.settings.config import SETTINGS, GenerationConfig
from t2v.settings.declaration import setting, settings_of
from t2v.ui.endpoints import documented
from t2v.ui.parameters import PARAMETER_ORDER, page_settings, parameter_name
from t2v.ui.wiring import build_page
from tests.support.fakes import painted_preset
from tests.support.page import Page


PRESETS = {"painted": painted_preset()}
KINDS = {
    "text": gr.Textbox,
    "whole": gr.Number,
    "switch": gr.Checkbox,
    "choice": gr.Dropdown,
    "size": gr.Dropdown,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended(GenerationConfig):
    """Settings as somebody may add them."""

    fog: float = setting(0.25, kind="number", label="Fog", help="How thick it is.", range=(0, 1))
    secret: int = setting(
        7, kind="whole", label="Secret", help="For programs.", range=(0, 9), surfaces=("api",)
    )
    hint: str = setting(
        "", kind="text", label="Hint", help="For visitors.", surfaces=("page",), is_advanced=False
    )


@pytest.fixture
def extended(monkeypatch):
    """Everything uses the extended config."""
    for module in (config, preset, record):
        monkeypatch.setattr(module, "GenerationConfig", Extended)
    names = set(settings_of(Extended)) - {"prompt"}
    monkeypatch.setattr(presets, "DEFAULT_KEYS", names)
    for name, declared in settings_of(Extended).items():
        monkeypatch.setitem(SETTINGS, name, declared)


def test_every_declared_setting_has_a_component_of_its_kind(worker):
    page = Page(worker, PRESETS)
    for name, declared in page_settings().items():
        component = page.form.settings[parameter_name(name)]
        if declared.kind == "number":
            assert isinstance(component, gr.Slider)
            assert (component.minimum, component.maximum) == declared.range
        else:
            assert type(component) is KINDS[declared.kind]
        assert component.label == declared.label
    assert tuple(page.form.settings) == PARAMETER_ORDER


def test_a_new_setting_appears_on_the_page_and_in_the_endpoints(worker, extended):
    page = Page(worker, PRESETS)
    fog = page.form.settings["fog"]
    assert (fog.label, fog.value, fog.info) == ("Fog", 0.25, "How thick it is.")
    assert list(page.form.settings) == [*PARAMETER_ORDER, "hint", "fog"]
    endpoints = build_page(worker, PRESETS, "painted").get_api_info()["named_endpoints"]
    parameters = {
        name: {one["parameter_name"]: one["parameter_default"] for one in endpoint["parameters"]}
        for name, endpoint in endpoints.items()
    }
    assert parameters["/generate"]["fog"] == parameters["/make"]["fog"] == 0.25
    assert "secret" not in parameters["/generate"] and parameters["/make"]["secret"] == 7
    assert "hint" not in parameters["/make"] and parameters["/generate"]["hint"] == ""
    make = documented(page.generation, page.form.api_settings)
    assert "    fog: How thick it is.\n" in f"{make.__doc__}\n"


def test_a_new_setting_reaches_a_run_and_comes_back_from_it(worker, extended):
    page = Page(worker, PRESETS)

    async def make():
        values = {"prompt": "a red star", "preset": "painted", "num_chunks": 1, "fog": 0.75}
        return [event async for event, _ in page.generation.make(**values)][-1]

    end = asyncio.run(make())
    assert end["state"] == "finished"
    assert end["summary"]["settings"]["config"]["fog"] == 0.75
    updates = page.form_events.use_settings(end["run"])
    assert page.settings(updates)["fog"] == 0.75
    assert (
        "<dt>Fog</dt><dd>0.75</dd>"
        in page.view.growing(worker.record(end["run"]), "", may_redo=True)[page.stage.facts]
    )


def test_an_unknown_parameter_is_refused(worker):
    page = Page(worker, PRESETS)

    async def make():
        async for _ in page.generation.make(prompt="a red star", preset="painted", mist=1):
            pass

    with pytest.raises(gr.Error, match=r"(?i)unknown settings 'mist'"):
        asyncio.run(make())
