from dataclasses import replace

import pytest

from t2v import device
from t2v.device import default_preset
from t2v.errors import ConfigError, PresetError
from t2v.settings import presets
from t2v.settings.conditionings import ARM_PRESET, ARM_WEIGHTS
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import PRESETS, find_preset, list_presets, load_preset


RIGHT = {
    "title": '"Odd"',
    "description": '"For tests."',
    "weights": '"no/such/folder"',
    "frame_size": "[20, 28]",
    "display_size": "[40, 56]",
    "fps": "7",
    "examples": '["a red star", "a blue ring"]',
    "defaults": "{ num_chunks = 3, guidance_scale = 2 }",
}


@pytest.fixture
def write(tmp_path):
    """Writes a preset: the right values, with changes; None leaves one out."""

    def write(**changes):
        lines = [f"{key} = {value}" for key, value in (RIGHT | changes).items() if value]
        path = tmp_path / "odd.toml"
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


@pytest.fixture
def only_odd(write, monkeypatch):
    """A place where `odd` is the one preset."""
    monkeypatch.setattr(presets, "PRESETS", write().parent)
    list_presets.cache_clear()
    yield
    list_presets.cache_clear()


@pytest.mark.parametrize("path", sorted(PRESETS.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_presets_load(path):
    preset = load_preset(path)
    for prompt in preset.examples:
        assert preset.config(prompt=prompt).num_chunks > 1


def test_a_preset_has_the_values_of_its_file(write):
    preset = load_preset(write())
    assert (preset.name, preset.title, preset.fps) == ("odd", "Odd", 7)
    assert (preset.frame_size, preset.display_size) == ((20, 28), (40, 56))
    assert preset.examples == ("a red star", "a blue ring")


def test_preset_defaults_override_the_config_and_given_settings_override_both(write):
    config = load_preset(write()).config(prompt="a red star", guidance_scale=4.5)
    assert config == GenerationConfig(prompt="a red star", num_chunks=3, guidance_scale=4.5)


def test_an_unknown_setting_is_refused(write):
    with pytest.raises(ConfigError, match="unknown settings guidence_scale"):
        load_preset(write()).config(prompt="a red star", guidence_scale=4.5)


def test_an_unknown_key_is_reported(write):
    with pytest.raises(PresetError, match=r"^odd\.toml: unknown keys tittle$"):
        load_preset(write(tittle='"Odd"'))


@pytest.mark.parametrize("key", RIGHT)
def test_a_missing_key_is_reported(write, key):
    with pytest.raises(PresetError, match=rf"^odd\.toml: missing keys {key}$"):
        load_preset(write(**{key: None}))


def test_an_unknown_default_is_reported(write):
    with pytest.raises(PresetError, match=r"^odd\.toml: unknown defaults guidence_scale$"):
        load_preset(write(defaults="{ guidence_scale = 9.0 }"))


def test_a_preset_cannot_have_a_default_prompt(write):
    with pytest.raises(PresetError, match="unknown defaults prompt"):
        load_preset(write(defaults='{ prompt = "a red star" }'))


def test_a_default_out_of_range_is_reported_with_the_range(write):
    with pytest.raises(PresetError, match=r"^odd\.toml: apm_strength must be .* 2\.0, got 9$"):
        load_preset(write(defaults="{ apm_strength = 9 }"))


@pytest.mark.parametrize(
    "key, value",
    [
        ("title", "3"),
        ("weights", '" "'),
        ("frame_size", "64"),
        ("frame_size", "[64]"),
        ("display_size", '["a", "b"]'),
        ("display_size", "[64, 0]"),
        ("fps", "0"),
        ("fps", "7.5"),
        ("examples", '"a red star"'),
        ("examples", "[]"),
        ("defaults", "3"),
        ("conditioning", '"sum"'),
    ],
)
def test_a_value_of_the_wrong_type_is_reported(write, key, value):
    with pytest.raises(PresetError, match=rf"^odd\.toml: {key} must be .*, got "):
        load_preset(write(**{key: value}))


def test_a_conditioning_is_read_and_needs_the_weights_that_arms_begin_with(write):
    values = {"conditioning": '"add-cond"', "weights": f'"{ARM_WEIGHTS}"'}
    assert load_preset(write(**values)).conditioning == "add-cond"
    with pytest.raises(PresetError, match=r"^odd\.toml: conditioning needs the weights assets/"):
        load_preset(write(**values | {"weights": '"weights/other"'}))
    assert list_presets()[ARM_PRESET].weights == ARM_WEIGHTS


REFINER = {
    "frame_size": "[36, 52]",
    "display_size": "[72, 104]",
    "num_inference_steps": "30",
    "start_timestep": "599",
    "guidance_scale": "7.5",
}


def table(**changes):
    values = (REFINER | changes).items()
    return "{ " + ", ".join(f"{key} = {value}" for key, value in values if value) + " }"


def test_a_refiner_has_the_values_of_its_table(write):
    refiner = load_preset(write(refiner=table(overlap="6"))).refiner
    assert (refiner.frame_size, refiner.num_inference_steps) == ((36, 52), 30)
    assert (refiner.chunk_frames, refiner.overlap) == (24, 6)


@pytest.mark.parametrize(
    "refiner, complaint",
    [
        ("3", r"^odd\.toml, refiner must be a table of settings, got 3$"),
        (table(strength="0.6"), r"^odd\.toml, refiner: unknown keys strength$"),
        (table(frame_size=None), r"^odd\.toml, refiner: missing keys frame_size$"),
        (table(start_timestep="999"), r"^odd\.toml: start_timestep must be .* 998, got 999$"),
        (table(schedule='"linear"'), r"^odd\.toml: schedule must be one of stack, .*'linear'$"),
    ],
    ids=["no table", "unknown", "missing", "range", "choice"],
)
def test_an_error_in_the_refiner_table_is_reported(write, refiner, complaint):
    with pytest.raises(PresetError, match=complaint):
        load_preset(write(refiner=refiner))


def test_a_preset_explains_why_it_cannot_refine(write):
    assert load_preset(write()).refiner_unavailable == "The odd preset has no refiner."
    preset = load_preset(write(refiner=table()))
    assert "not in no/such/folder/refiner" in preset.refiner_unavailable
    with pytest.raises(PresetError, match=r"^preset odd cannot refine: The weights of its refiner"):
        preset.find_refiner()


def test_a_preset_whose_refiner_is_installed_can_refine(write, tmp_path):
    (tmp_path / "refiner").mkdir()
    (tmp_path / "refiner" / "config.json").write_text("{}")
    preset = load_preset(write(refiner=table(), weights=f'"{tmp_path}"'))
    assert preset.refiner_unavailable is None
    assert preset.find_refiner() is preset.refiner


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_a_preset_may_be_saved_in_any_unicode_encoding(write, encoding):
    path = write()
    plain = load_preset(path)
    path.write_bytes(path.read_text("utf-8").encode(encoding))
    assert load_preset(path) == plain


def test_an_invalid_example_prompt_is_refused(write):
    with pytest.raises(PresetError, match=r"^odd\.toml: prompt must not be empty"):
        load_preset(write(examples='["a red star", ""]'))


@pytest.mark.parametrize("content", [b"title = ", b"\xff\xff"], ids=["broken", "binary"])
def test_an_invalid_toml_file_is_reported(tmp_path, content):
    path = tmp_path / "odd.toml"
    path.write_bytes(content)
    with pytest.raises(PresetError, match=r"^odd\.toml cannot be read: "):
        load_preset(path)


def test_an_unknown_preset_is_reported_with_the_known_names(only_odd):
    with pytest.raises(PresetError, match=r"^preset must be one of odd, got 'shape'$"):
        find_preset("shape")


def test_a_preset_without_weights_explains_how_to_get_them(only_odd):
    with pytest.raises(
        PresetError, match=r"^preset odd cannot run here: .*no/such/folder; docs/weights"
    ):
        find_preset("odd")


SOURCE = {
    "repo": '"owner/name"',
    "revision": '"main"',
    "licence": '"free"',
    "gigabytes": "2",
    "installed_gigabytes": "1.2",
    "files": '{ weights = ["a.safetensors", "a/b.bin"] }',
}


def sources(**changes):
    """A preset's `sources`: one, right but for the changes."""
    pairs = [f"{key} = {value}" for key, value in (SOURCE | changes).items() if value]
    return f"[{{ {', '.join(pairs)} }}]"


def test_a_preset_describes_its_weights_and_their_size(write):
    preset = load_preset(write(sources=sources(), needs_gpu="true"))
    [source] = preset.sources
    assert source.page == "https://huggingface.co/owner/name"
    assert source.files == {"weights": ("a.safetensors", "a/b.bin")}
    assert source.sha256 == {}
    assert preset.download_command == "longtake download odd"
    assert preset.unavailable == (
        "Its weights are not installed; `longtake download odd` gets them."
    )
    assert preset.needs == (
        "Needs a GPU, a download of about 2 GB and 1 GB of disk to keep; licences: free."
    )


def test_a_preset_can_extend_another_with_a_different_refiner(write, tmp_path):
    other = SOURCE | {"repo": '"owner/sharp"', "files": '{ refiner = ["b.pth"] }'}
    pairs = ", ".join(f"{key} = {value}" for key, value in other.items())
    write(sources=sources()[:-1] + f", {{ {pairs} }}]").rename(tmp_path / "base.toml")
    path = tmp_path / "sharper.toml"
    path.write_text(
        'extends = "base"\ntitle = "Sharper"\nrefiner_weights = "sharper"\n[[sources]]\n'
        + "\n".join(f"{key} = {value}" for key, value in SOURCE.items()).replace(
            "weights =", "refiner_unet ="
        )
    )
    base, sharper = load_preset(tmp_path / "base.toml"), load_preset(path)
    assert [source.is_refiner for source in base.sources] == [False, True]
    assert [source.is_refiner for source in sharper.sources] == [False, True]
    assert sharper.sources[1].files == {"refiner_unet": ("a.safetensors", "a/b.bin")}
    assert (sharper.title, sharper.weights) == ("Sharper", base.weights)
    assert sharper.refiner_folder == base.weights_folder / "sharper"


@pytest.mark.parametrize(
    "extends, complaint",
    [
        ('"../odd"', "extends must be the name of a preset"),
        ("3", "extends must be the name of a preset, got 3"),
        ('"nothing"', "nothing.toml cannot be read"),
        ('"again"', "a preset that is extended must not extend another"),
    ],
)
def test_an_invalid_extension_is_reported(tmp_path, extends, complaint):
    path = tmp_path / "again.toml"
    path.write_text(f"extends = {extends}\n")
    with pytest.raises(PresetError, match=complaint):
        load_preset(path)


def test_another_size_scales_the_display_size(write):
    preset = load_preset(write(frame_size="[256, 256]", display_size="[512, 512]"))
    other = preset.at_size((320, 576))
    assert (other.frame_size, other.display_size) == ((320, 576), (640, 1152))
    assert other.name == preset.name
    assert preset.at_size(None) == preset


def test_the_refined_video_has_the_proportions_of_its_preview():
    preset = list_presets()["modelscope"].at_size((256, 448))
    height, width = preset.refiner.display_size
    assert width / height == pytest.approx(448 / 256, abs=0.01)
    assert height * width == pytest.approx(720 * 720, rel=0.01)


@pytest.mark.parametrize("name", list_presets())
def test_offered_sizes_are_valid(name):
    preset = list_presets()[name]
    for size in preset.other_sizes:
        assert preset.config(prompt="any", frame_size=size).frame_size == size
    assert len({preset.frame_size, *preset.other_sizes}) == 1 + len(preset.other_sizes)


@pytest.mark.parametrize(
    "name, sizes",
    [
        ("modelscope", ((256, 448), (448, 256))),
        ("svd", ()),  # a baseline
        ("i2vgen-xl", ()),
    ],
)
def test_sizes_besides_its_own_are_wide_and_tall(name, sizes):
    assert list_presets()[name].other_sizes == sizes


def test_a_preset_that_is_wide_itself_offers_the_tall_size(write):
    preset = replace(load_preset(write()), frame_size=(256, 448))
    assert preset.other_sizes == ((448, 256),)


def test_bundled_weights_need_nothing(write):
    preset = load_preset(write())
    assert preset.download_command is None
    assert preset.needs == "Bundled: needs no download and no GPU."


@pytest.mark.parametrize(
    "key, value, complaint",
    [
        ("repo", None, "source 1: missing keys repo"),
        ("repos", '"a/b"', "source 1: unknown keys repos"),
        ("repo", '"owner"', "source 1: repo must be owner/name, got 'owner'"),
        ("gigabytes", "-1", "source 1: gigabytes must be a number from 0, got -1"),
        ("files", '["a"]', "source 1: files must be a table of lists of file names"),
        ("files", "{ a = [] }", "source 1: files must be a table"),
        ("files", '{ a = ["../b"] }', "source 1: files must be a table"),
        ("files", '{ a = ["/etc/b"] }', "source 1: files must be a table"),
        ("sha256", '{ a = "12" }', "source 1: sha256 must be a table of SHA-256 digests"),
    ],
)
def test_an_error_in_a_weight_source_is_reported(write, key, value, complaint):
    with pytest.raises(PresetError, match=rf"^odd\.toml, {complaint}"):
        load_preset(write(sources=sources(**{key: value})))


@pytest.fixture
def place(write, tmp_path, monkeypatch):
    """A place with both presets that may be the default: place(installed=..., gpu=...)."""

    def place(*, installed, gpu):
        (tmp_path / "bundled" / "unet").mkdir(parents=True)
        bundled = replace(load_preset(write()), name="storybook", weights=str(tmp_path / "bundled"))
        paper = load_preset(write(sources=sources()))
        folder = "bundled" if installed else "nowhere"
        paper = replace(paper, name="modelscope", weights=str(tmp_path / folder))
        monkeypatch.setattr(
            presets, "list_presets", lambda: {"modelscope": paper, "storybook": bundled}
        )
        monkeypatch.setattr(device, "has_gpu", lambda: gpu)

    return place


@pytest.mark.parametrize(
    "installed, gpu, name, reason",
    [
        (True, True, "modelscope", "it is installed, and there is a GPU."),
        (True, False, "storybook", "installed, but there is no GPU to run it on."),
        (False, True, "storybook", "`longtake download modelscope` gets the paper's own model."),
        (False, False, "storybook", "it is bundled and runs on any machine."),
    ],
)
def test_the_best_preset_that_can_run_is_the_default(place, installed, gpu, name, reason):
    place(installed=installed, gpu=gpu)
    preset, why = default_preset()
    assert preset.name == name
    assert why.endswith(reason)


def test_a_hidden_gpu_is_not_counted(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not device.has_gpu()


@pytest.mark.skipif(
    list_presets()["storybook"].unavailable is not None, reason="the weights are not there"
)
def test_the_default_preset_comes_with_a_reason(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    preset, reason = default_preset()
    assert preset.name == "storybook"
    assert reason.endswith(".")


def test_only_these_sources_are_not_pinned_to_a_commit():
    """Their commits are not known yet: with one, an entry leaves this list."""
    sources = [source for preset in list_presets().values() for source in preset.sources]
    unpinned = {source.repo for source in sources if not source.is_pinned}
    assert unpinned == {
        "BestWishYsh/Helios-Distilled",
        "Skywork/SkyReels-V2-DF-1.3B-540P-Diffusers",
        "ali-vilab/MS-Vid2Vid-XL",
        "cerspense/zeroscope_v2_XL",
    }
