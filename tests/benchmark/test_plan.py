"""What a benchmark command asks for, and what it is refused for, without torch."""

import json

import pytest

from t2v.errors import ConfigError
from t2v.evaluation.arms.catalogue import ARMS
from t2v.evaluation.benchmark.manifest import NAME, differences, settle_manifest
from t2v.evaluation.benchmark.paper import ABLATIONS, METHODS, STANDS_FOR, paper_figure
from t2v.evaluation.benchmark.plan import (
    PlanOptions,
    Prompts,
    make_plan,
    prompts_of,
    read_prompts,
)
from t2v.evaluation.benchmark.suites import (
    ALL,
    BASELINES,
    SUITES,
    TRAINED_RIVALS,
    find_suites,
)
from t2v.settings.presets import list_presets


SHAPES = list_presets()["shapes"]
MODELSCOPE = list_presets()["modelscope"]


@pytest.fixture(autouse=True)
def without_trained_arms(monkeypatch, tmp_path):
    monkeypatch.setenv("LONGTAKE_HOME", str(tmp_path))


PROMPTS = Prompts("some.txt", ("a red star", "a blue ring", "a moon"), "0" * 64)


def test_every_suite_names_arms_that_there_are():
    for suite in SUITES.values():
        assert set(suite.arms) <= ARMS.keys()
        assert not suite.uses_model or len(suite.arms) > 1


def test_every_suite_with_a_model_has_a_control_or_a_reference():
    for suite in SUITES.values():
        kinds = {ARMS[arm].kind for arm in suite.arms}
        assert not suite.uses_model or kinds & {"control", "reference"}


def test_all_suites_are_found_by_all_and_an_unknown_one_is_refused():
    assert [suite.name for suite in find_suites(ALL)] == list(SUITES)
    with pytest.raises(ConfigError, match=r"SUITE must be one of table1, .*, all; got 'table2'"):
        find_suites("table2")


def test_the_paper_s_figures_are_given_for_all_forms_of_mawe():
    assert paper_figure("table1", "mawe_code", "cam") == "52.3 (StreamingT2V)"
    assert paper_figure("table1", "mawe_ratio", "cam") == "52.3 (StreamingT2V)"
    assert paper_figure("table1", "seam_ratio", "cam") == ""


def test_an_arm_that_stands_for_several_methods_has_the_figures_of_all():
    assert paper_figure("table1", "scuts", "last-anchor") == "1.10 (SVD), 0.40 (I2VGen-XL)"
    assert paper_figure("table1", "clip_score", "svd-xt") == "23.95 (SVD)"
    assert paper_figure("apm", "lpips", "no-apm") == "0.192"
    assert paper_figure("apm", "scuts", "cam") == ""


def test_every_arm_and_suite_with_a_figure_exists():
    assert STANDS_FOR.keys() <= set(SUITES["table1"].arms)
    assert {name for names in STANDS_FOR.values() for name in names} == METHODS.keys()
    for name, metrics in ABLATIONS.items():
        assert {arm for arms in metrics.values() for arm in arms} <= set(SUITES[name].arms)


def test_a_plan_takes_what_the_suite_says_and_at_most_the_prompts_that_there_are():
    plan = make_plan(SUITES["table1"], SHAPES, PROMPTS, PlanOptions())
    assert (plan.num_prompts, plan.num_chunks, plan.num_seeds) == (3, 29, 1)
    assert plan.arms == tuple(
        arm for arm in SUITES["table1"].arms if arm not in BASELINES + TRAINED_RIVALS
    )


def test_cases_come_prompt_by_prompt_and_no_two_share_a_seed():
    wish = PlanOptions(num_prompts=2, num_seeds=2, num_chunks=5, arms=("no-cam", "cam"))
    cases = list(make_plan(SUITES["table1"], SHAPES, PROMPTS, wish).cases())
    assert [(case.prompt, case.seed, case.arm) for case in cases[:4]] == [
        (0, 0, "cam"), (0, 0, "no-cam"), (0, 1, "cam"), (0, 1, "no-cam"),
    ]  # fmt: skip
    assert len(cases) == 8
    assert len({case.generator_seed for case in cases}) == 4
    assert len({(case.arm, case.name) for case in cases}) == 8


def test_quick_is_shorter_and_all_quick_shares_its_videos():
    many = Prompts("many.txt", tuple(f"star {i}" for i in range(50)), "0" * 64)
    plans = [
        make_plan(suite, SHAPES, many, PlanOptions(quick=True, among_all=True))
        for suite in SUITES.values()
        if suite.uses_model
    ]
    assert {(plan.num_chunks, plan.num_prompts) for plan in plans} == {(8, 4)}
    cases = [case for plan in plans for case in plan.cases()]
    assert len(set(cases)) < len(cases) / 2


@pytest.mark.parametrize(
    "wish, complaint",
    [
        (PlanOptions(num_prompts=4), "--prompts must be a whole number from 1 to 3, got 4"),
        (PlanOptions(num_prompts=0), "--prompts must be a whole number from 1 to 3, got 0"),
        (PlanOptions(num_chunks=2), "--chunks must be a whole number from 3 to 10000, got 2"),
        (PlanOptions(num_seeds=0), "--seeds must be a whole number from 1 to 100, got 0"),
        (PlanOptions(arms=("joint",)), "--arms must be of cam, no-cam, .*; got joint"),
    ],
)
def test_what_is_out_of_range_is_named_with_its_range(wish, complaint):
    with pytest.raises(ConfigError, match=complaint):
        make_plan(SUITES["table1"], SHAPES, PROMPTS, wish)


def test_arms_that_cannot_run_are_left_out_unless_they_were_asked_for():
    plan = make_plan(SUITES["table1"], MODELSCOPE, PROMPTS, PlanOptions())
    assert "real" not in plan.arms and "shuffled" in plan.arms
    reasons = plan.left_out
    assert len(reasons) == 1 + len(BASELINES) + len(TRAINED_RIVALS)
    assert "arm add-cond cannot run: it is trained on the weights of shapes" in reasons
    assert "arm real cannot run: nothing can be rendered for the preset modelscope" in reasons
    assert (
        "arm svd cannot run: Its weights are not installed; `longtake download svd` gets them"
        in reasons
    )
    with pytest.raises(ConfigError, match="arm real cannot run"):
        make_plan(SUITES["table1"], MODELSCOPE, PROMPTS, PlanOptions(arms=("cam", "real")))


def test_an_arm_that_is_not_trained_is_named_with_the_command_that_trains_it():
    command = "`longtake train --arm cam` trains it"
    sentence = f"arm cam-twin cannot run: it is not trained; {command}"
    assert sentence in make_plan(SUITES["conditioning"], SHAPES, PROMPTS, PlanOptions()).left_out
    with pytest.raises(ConfigError, match=sentence):
        make_plan(SUITES["conditioning"], SHAPES, PROMPTS, PlanOptions(arms=("cam", "cam-twin")))


def test_an_arm_may_be_trained_later_but_not_again(tmp_path):
    manifest = {"commit": "abc", "arms": {"cam": {"steps": 3}}}
    settle_manifest(tmp_path, manifest)
    settle_manifest(tmp_path, {"commit": "abc", "arms": {"add-cond": {"steps": 5}}})
    both = {"cam": {"steps": 3}, "add-cond": {"steps": 5}}
    assert json.loads((tmp_path / NAME).read_text())["arms"] == both
    with pytest.raises(ConfigError, match="begun with another arms cam: numbers"):
        settle_manifest(tmp_path, {"commit": "abc", "arms": {"cam": {"steps": 4}}})


def test_a_network_may_be_added_later_but_not_changed(tmp_path):
    one, two = ({"name": "clip", "sha256": digest} for digest in ("1", "2"))
    settle_manifest(tmp_path, {"commit": "abc"})  # as older versions wrote it
    settle_manifest(tmp_path, {"commit": "abc", "networks": {"clip_score": one}})
    later = settle_manifest(tmp_path, {"commit": "abc", "networks": {"lpips": two}})
    assert later["networks"] == {"clip_score": one, "lpips": two}
    with pytest.raises(ConfigError, match="begun with another networks clip_score: numbers"):
        settle_manifest(tmp_path, {"commit": "abc", "networks": {"clip_score": two}})


def test_every_preset_has_fifty_prompts_and_no_word_that_shapes_does_not_know():
    from t2v.worlds.shapes.captions import vocabulary

    shapes, paper = (read_prompts(prompts_of(preset)) for preset in (SHAPES, MODELSCOPE))
    assert (shapes.name, paper.name) == ("shapes-50.txt", "paper-50.txt")
    assert len(set(shapes.texts)) == len(set(paper.texts)) == 50
    words = {word for text in shapes.texts for word in text.replace(",", " ,").split()}
    assert words <= set(vocabulary())


def test_prompts_that_cannot_be_drawn_are_named_before_anything_is(tmp_path):
    prompts = Prompts("mine.txt", ("a red star", "0: a red star / 6: x / 6: y"), "0")
    with pytest.raises(ConfigError, match=r"^--prompts: prompt 2 of mine\.txt: "):
        make_plan(SUITES["conditioning"], SHAPES, prompts, PlanOptions())
    make_plan(SUITES["conditioning"], SHAPES, prompts, PlanOptions(num_prompts=1))
    (tmp_path / "twice.txt").write_text("a red star\na moon\n\na red star\n")
    with pytest.raises(ConfigError, match="repeats 'a red star', and prompts count as independent"):
        read_prompts(tmp_path / "twice.txt")


def test_a_file_of_prompts_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"--prompts: .*no\.txt cannot be read: No such file"):
        read_prompts(tmp_path / "no.txt")
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(ConfigError, match=r"--prompts: .*empty\.txt has no prompts"):
        read_prompts(tmp_path / "empty.txt")
    (tmp_path / "latin.txt").write_bytes("Café".encode("latin-1"))
    with pytest.raises(ConfigError, match="it is neither UTF-8 nor UTF-16"):
        read_prompts(tmp_path / "latin.txt")


def test_a_folder_is_continued_with_the_same_manifest_only(tmp_path):
    manifest = {"commit": "abc", "prompts": {"name": "a.txt", "sha256": "1"}, "preset": "shapes"}
    settle_manifest(tmp_path, manifest)
    assert json.loads((tmp_path / NAME).read_text()) == manifest
    settle_manifest(tmp_path, manifest)
    other = manifest | {"commit": "def", "prompts": {"name": "a.txt", "sha256": "2"}}
    with pytest.raises(
        ConfigError, match=r"was begun with another commit, prompts sha256: .*--out"
    ):
        settle_manifest(tmp_path, other)
    (tmp_path / NAME).write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        settle_manifest(tmp_path, manifest)


def test_a_manifest_of_another_kind_differs_as_a_whole():
    assert differences([1], {"commit": "abc"}) == ["manifest"]
    assert differences({"old": 1}, {"new": 1}) == ["new", "old"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_file_of_prompts_may_be_saved_in_any_unicode_encoding(tmp_path, encoding):
    text = "a red star\r\n\r\nein Café im Grünen\n"
    (tmp_path / "prompts.txt").write_bytes(text.encode(encoding))
    (tmp_path / "plain.txt").write_bytes(text.encode())
    prompts = read_prompts(tmp_path / "prompts.txt")
    assert prompts.texts == ("a red star", "ein Café im Grünen")
    assert prompts.sha256 == read_prompts(tmp_path / "plain.txt").sha256
