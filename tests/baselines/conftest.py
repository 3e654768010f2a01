"""Small baselines, installed by what `longtake download` calls."""

import pytest

from t2v.baselines.loading import load_baseline
from t2v.weights.install import install
from tests.support.small_baselines import small_preset, write_published


@pytest.fixture(scope="package")
def home(tmp_path_factory):
    """Repositories with random weights, as OWNER/REPOSITORY."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="package")
def installed(home, tmp_path_factory):
    """Installs a preset once, and gives it."""
    presets = {}

    def installed(name):
        if name not in presets:
            preset = small_preset(name, tmp_path_factory.mktemp("lt") / "weights" / name)
            write_published(home, preset)
            install(preset, weights_dir=home, offline=True, say=lambda line: None)
            presets[name] = preset
        return presets[name]

    return installed


@pytest.fixture(scope="package")
def loaded(installed):
    """Loads a preset once, and gives its baseline."""
    baselines = {}

    def loaded(name):
        if name not in baselines:
            baselines[name] = load_baseline(installed(name), device="cpu")
        return baselines[name]

    return loaded
