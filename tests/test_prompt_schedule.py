"""Prompts and seeds that change during the video."""

import pytest

from t2v.errors import ConfigError
from t2v.settings.config import GenerationConfig
from t2v.settings.prompt_schedule import change_from, parse_changes, parse_prompt, shares


def prompt_shares(prompt, chunk):
    return shares(parse_prompt(prompt), chunk)


@pytest.mark.parametrize(
    "prompt", ["a red star", "16:9 view of a star", "a 1/2: moon", "a / 3: b", "star: 0: b"]
)
def test_a_prompt_that_does_not_start_with_chunk_0_is_one_text(prompt):
    assert GenerationConfig(prompt=prompt).prompt_shares(7) == {prompt: 1}


def test_every_chunk_has_the_last_text_before_it():
    prompt = "0: a red star / 6: a blue ring, 4:3 / 12: a ring / a moon"
    texts = [next(iter(prompt_shares(prompt, chunk))) for chunk in (0, 5, 6, 11, 12, 99)]
    assert texts == [*["a red star"] * 2, *["a blue ring, 4:3"] * 2, *["a ring / a moon"] * 2]


@pytest.mark.parametrize("separator", ["\n", "; ", " | ", ", ", "\r\n/ ", " /\n"])
def test_entries_may_have_a_line_each_or_other_separators(separator):
    """Otherwise all of it would be one text, which a text encoder does not complain about."""
    prompt = separator.join(("0: a red star", "6-9: a blue ring", "12: a ring"))
    assert parse_prompt(prompt) == parse_prompt("0: a red star / 6-9: a blue ring / 12: a ring")


def test_times_and_ratios_in_a_text_begin_no_entry():
    [clock] = parse_prompt("0: a clock, 12:30; 16:9 | 4:3")
    assert clock.text == "a clock, 12:30; 16:9 | 4:3"


def test_a_blend_grows_evenly_and_ends_at_its_chunk():
    news = [prompt_shares("0: old / 6-9: new", chunk).get("new", 0) for chunk in range(5, 11)]
    assert news == [0, 0.25, 0.5, 0.75, 1, 1]


def test_a_blend_into_a_blend_mixes_all_three():
    mixed = prompt_shares("0: a / 4-7: b / 5-6: c", 5)
    assert mixed == {"a": 0.25, "b": 0.25, "c": 0.5}
    assert prompt_shares("0: a / 4-7: b / 5-6: c", 6) == {"c": 1}


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("0:", "each with some text"),
        ("0: a / 3: ", "each with some text"),
        ("0: a / 5: b / 5: c", "later and later"),
        ("0: a / 5-3: b", "blend forwards"),
    ],
)
def test_an_invalid_schedule_is_reported(prompt, words):
    with pytest.raises(ConfigError, match=words):
        GenerationConfig(prompt=prompt)


def test_a_change_replaces_later_prompts():
    changes = parse_prompt("0: a / 4: b / 8: c")
    assert change_from(changes, 4, " new ") == "0: a / 4: new"
    assert change_from(changes, 6, "new", blend=3) == "0: a / 4: b / 6-9: new"
    assert change_from(changes, 0, "new", blend=3) == "new"


@pytest.mark.parametrize("text", ["x / 5: y", "0: x / 3: y"])
def test_text_that_looks_like_a_schedule_is_refused_as_a_prompt(text):
    with pytest.raises(ConfigError, match="must not hold"):
        change_from(parse_prompt("a"), 4 if text[0] == "x" else 0, text)


def test_a_seed_holds_until_the_next_one():
    config = GenerationConfig(prompt="a", seed=1, reseed="3: 5 / 7: 0")
    assert [config.seed_of(chunk) for chunk in (0, 2, 3, 6, 7, 50)] == [1, 1, 5, 5, 0, 0]
    assert GenerationConfig(prompt="a", seed=1).seed_of(9) == 1


@pytest.mark.parametrize("reseed", ["x", "3: -1", "3: 99999999999", "3-4: 1", "3: 1.5", "3"])
def test_an_invalid_seed_is_refused(reseed):
    with pytest.raises(ConfigError, match="reseed must"):
        GenerationConfig(prompt="a", reseed=reseed)
    assert parse_changes("reseed", "3: 1")[0].chunk == 3


def test_an_invalid_chunk_number_is_reported():
    with pytest.raises(ConfigError, match=r"must give chunks as numbers.*got 'x'"):
        parse_prompt("0: a red star / x: a blue ring")
    assert parse_prompt("half / half: a star")[0].text == "half / half: a star"
