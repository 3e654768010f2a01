"""What a suite found: the contents of `report.json`, of which the table is made."""

from collections.abc import Mapping
from typing import Any

from t2v.evaluation.arms.catalogue import ARMS
from t2v.evaluation.arms.helios_catalogue import ABOUT
from t2v.evaluation.benchmark.criteria import judge
from t2v.evaluation.benchmark.derived import DERIVED, OF_CAPTION
from t2v.evaluation.benchmark.paper import paper_figure
from t2v.evaluation.benchmark.results import Results
from t2v.evaluation.benchmark.statistics import compare, summarize
from t2v.evaluation.benchmark.suites import CONTROLS, LARGE_CONTROLS
from t2v.evaluation.metrics.catalogue import CATALOGUE, Metric
from t2v.evaluation.metrics.controls import ranked_above_real
from t2v.settings.presets import list_presets, named_preset


METRICS: dict[str, Metric] = CATALOGUE | DERIVED
REAL = (CONTROLS[0], LARGE_CONTROLS[0])


def make_report(results: Results, manifest: Mapping[str, Any], *, quick: bool) -> dict[str, Any]:
    """Everything that the table shows, as plain values without nan."""
    plan = results.plan
    preset = list_presets().get(manifest["preset"])
    base = preset.base if preset else "streaming_t2v"
    metrics = (*plan.suite.metrics, *manifest.get("networks", {}))
    arms = {
        name: {
            "kind": ARMS[name].kind,
            "about": about(name, base, manifest),
            "shares_first_chunk": ARMS[name].shares_first_chunk,
            "trained_parameters": results.trained_parameters(name),
            "videos": len(results.drawn(name)),
            "seams": results.num_boundaries(name),
            "seconds": results.seconds(name),
        }
        for name in plan.arms
    }
    return {
        "suite": plan.suite.name,
        "question": plan.suite.question,
        "quick": quick,
        "num_prompts": plan.num_prompts,
        "num_seeds": plan.num_seeds,
        "num_chunks": plan.num_chunks,
        "reference": plan.arms[0],
        "left_out": list(plan.left_out),
        "manifest": dict(manifest),
        "arms": arms,
        "metrics": {name: metric_rows(results, name) for name in metrics},
        "lengths": {
            str(length): {
                name: {arm: summarize(results.column(arm, name, length)) for arm in plan.arms}
                for name in metrics
                if name in CATALOGUE or name in OF_CAPTION
            }
            for length in plan.lengths
        },
        "criteria": judge(results),
    }


def about(name: str, base: str, manifest: Mapping[str, Any]) -> str:
    """What an arm is; how it was trained, or the preset and the homes of its weights.

    Args:
        base: of the preset that is measured.
    """
    arm = ARMS[name]
    if record := manifest.get("arms", {}).get(arm.conditioning):
        return f"{arm.about} ({record['steps']} steps of {record['batch']} clips)"
    if not arm.preset:
        return ABOUT[name] if base == "helios" else arm.about
    preset = named_preset(arm.preset)
    homes = ", ".join(f"{source.repo}@{source.revision[:12]}" for source in preset.sources)
    return f"{arm.about} ({preset.title}; {homes})"


def metric_rows(results: Results, name: str) -> dict[str, Any]:
    """One metric of all arms, and the controls that it wrongly prefers to real videos."""
    plan, metric = results.plan, METRICS[name]
    columns = {arm: results.column(arm, name) for arm in plan.arms}
    rows = {arm: summarize(column) for arm, column in columns.items()}
    reference = plan.arms[0]
    for arm, row in rows.items():
        if arm != reference:
            row["difference"] = compare(columns[arm], columns[reference])
        row["paper"] = paper_figure(plan.suite.name, name, arm)
    controls = {arm: rows[arm]["value"] for arm in plan.arms if ARMS[arm].kind == "control"}
    real = [rows[arm]["value"] for arm in REAL if arm in rows and results.drawn(arm)]
    above = ranked_above_real(metric, real[0], controls) if real else []
    return {
        "label": metric.label,
        "unit": metric.unit,
        "better": metric.better,
        "ranked_above_real": above,
        "arms": rows,
    }
