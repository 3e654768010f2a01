"""Hints beside the form: words that the model does not know."""

import asyncio

import pytest

from t2v.settings.presets import named_preset
from t2v.settings.vocabulary import unknown_words
from t2v.ui.hints import Hints
from tests.support.fakes import painted_preset


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a purple elephant dancing", ["elephant", "dancing"]),
        ("A Red STAR, moving left.", []),
        ("0: a red star / 3: a blue zebra / 5: a zebra-ring", ["zebra", "zebra-ring"]),
        ("a red star / 3", ["3"]),
        ("", []),
        ("eine rote Sonne 😀", ["eine", "rote", "sonne", "😀"]),
    ],
)
def test_unknown_words_are_told_without_loading_the_model(prompt, words):
    assert unknown_words(named_preset("shapes"), prompt) == words


@pytest.mark.parametrize(
    "prompt, words",
    [
        ("a purple elephant dancing", ["dancing"]),
        ("A camel resting on the snow field.", []),
        ("a red star", ["star"]),
    ],
)
def test_every_model_has_a_vocabulary_of_its_own(prompt, words):
    assert unknown_words(named_preset("storybook"), prompt) == words


def test_a_model_that_reads_parts_of_words_knows_all(tmp_path):
    assert unknown_words(painted_preset(weights=str(tmp_path)), "a purple elephant") == []


def test_the_line_under_the_prompt_names_the_words_and_goes_again():
    hints = Hints({"shapes": named_preset("shapes")})

    def line(prompt, preset="shapes"):
        return asyncio.run(hints.mark_unknown_words(prompt, preset))

    assert line("a red elephant")["visible"] and "`elephant`" in line("a red elephant")["value"]
    for prompt, preset in (("a red star", "shapes"), ({}, "shapes"), ("an elephant", "absent")):
        assert line(prompt, preset) == {"value": "", "visible": False, "__type__": "update"}


def test_the_preset_says_that_objects_have_a_second_colour():
    assert "second colour" in named_preset("shapes").hint
