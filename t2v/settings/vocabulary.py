"""The words of a prompt, and those that a stack cannot know, told without loading the stack."""

import json
import re
from functools import cache
from pathlib import Path
from unicodedata import category

from t2v.errors import ConfigError
from t2v.settings.presets import Preset


def words_of(prompt: str) -> list[str]:
    """Words and symbols in order. Punctuation, which has no meaning, is left out."""
    words = re.findall(r"\w+(?:['-]\w+)*|[^\w\s]", prompt.lower())
    return [word for word in words if any(category(sign)[0] in "LNS" for sign in word)]


def unknown_words(preset: Preset, prompt: str) -> list[str]:
    """The words of a prompt schedule that the preset's model does not know, each once."""
    known = vocabulary_of(preset.weights_folder)
    if known is None:
        return []
    try:
        texts = [change.text for change in preset.config(prompt=prompt).prompts]
    except ConfigError:  # while it is being typed, it may be no schedule yet
        texts = [prompt]
    words = dict.fromkeys(word for text in texts for word in words_of(text))
    return [word for word in words if not known.issuperset(re.findall(r"\w+|[^\w\s]+", word))]


def known_words(preset: Preset) -> list[str]:
    """The words that the preset's model knows, in order; empty where it can read every word."""
    return sorted(filter(str.isalpha, vocabulary_of(preset.weights_folder) or ()))


@cache
def vocabulary_of(weights_folder: Path) -> frozenset[str] | None:
    """The words of a stack whose tokenizer has one token a word.

    None where parts of words are tokens, so that every word can be read.
    """
    try:
        text = (weights_folder / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    model = json.loads(text)["model"]
    return frozenset(model["vocab"]) if model.get("type") == "WordLevel" else None
