"""`table.md`: the report as text, with everything that a reader needs to doubt it."""

from collections.abc import Iterator, Mapping
from typing import Any

from t2v.evaluation.metrics.catalogue import CATALOGUE


PAPER = "paper, other model"
ARROWS = {"lower": "lower is better", "higher": "higher is better", None: "no better direction"}
HEADLINES = 6  # metrics in the overview


def format_table(report: Mapping[str, Any]) -> str:
    """Formats a suite's report as Markdown."""
    lines = [*head(report), *overview(report), *criteria(report), *arms(report)]
    for name, metric in report["metrics"].items():
        lines += detail(name, metric, report["reference"])
    for length, metrics in report["lengths"].items():
        lines += beginning(length, metrics, report)
    return "\n".join(lines) + "\n"


def head(report: Mapping[str, Any]) -> Iterator[str]:
    manifest = report["manifest"]
    protocol = manifest["protocol"]
    prompts, seeds = (counted(report[f"num_{what}s"], what) for what in ("prompt", "seed"))
    yield f"# {report['suite']}{' (quick)' if report['quick'] else ''}"
    yield ""
    yield report["question"]
    yield ""
    yield (
        f"Preset {manifest['preset']}, {prompts} of "
        f"{manifest['prompts']['name']}, {seeds}, {report['num_chunks']} chunks. Flow: "
        f"{protocol['flow']} at {protocol['sizes']['flow']} pixels, warp at "
        f"{protocol['sizes']['warp']}.{by_networks(manifest)} "
        f"Commit {manifest['commit'][:12] or 'unknown'}."
    )
    yield ""
    yield (
        "Intervals: middle 95 % of bootstrap samples over prompts; none with fewer than 4. "
        f"Differences are paired, from `{report['reference']}`. Numbers in the last column are the "
        "paper's, of another model, at another size, with another estimator of flow: compare "
        "their order, not their size."
    )
    for reason in report["left_out"]:
        yield f"\nLeft out: {reason}."
    yield ""


def by_networks(manifest: Mapping[str, Any]) -> str:
    """A sentence for each metric of a network, which names it."""
    return "".join(
        f" {CATALOGUE[metric].label}: {network['name']}."
        for metric, network in manifest.get("networks", {}).items()
    )


def overview(report: Mapping[str, Any]) -> Iterator[str]:
    networks = report["manifest"].get("networks", {})
    names = list(dict.fromkeys([*list(report["metrics"])[:HEADLINES], *networks]))
    shown = [report["metrics"][name] for name in names]
    labels = [m["label"] + (" *" if m["ranked_above_real"] else "") for m in shown]
    yield row("arm", *labels)
    yield row(*["---"] * (1 + len(names)))
    for arm in report["arms"]:
        yield row(f"`{arm}`", *(with_missing(metric["arms"][arm]) for metric in shown))
    if any(metric["ranked_above_real"] for metric in shown):
        yield "\n\\* ranks a control above real video: not to be headlined"
    yield ""


def criteria(report: Mapping[str, Any]) -> Iterator[str]:
    if not report["criteria"]:
        return
    yield "## Criteria, decided beforehand"
    yield ""
    yield row("asked", "found", "prompts", "met")
    yield row(*["---"] * 4)
    verdicts = {True: "yes", False: "**no**", None: "unknown"}
    for one in report["criteria"]:
        yield row(one["asked"], with_ends(one), one["prompts"], verdicts[one["met"]])
    yield ""


def arms(report: Mapping[str, Any]) -> Iterator[str]:
    yield "## Arms"
    yield ""
    yield row(
        "arm",
        "kind",
        "same first chunk",
        "trained parameters",
        "seams",
        "s a video",
        "what it does",
    )
    yield row(*["---"] * 7)
    for name, arm in report["arms"].items():
        yield row(
            f"`{name}`",
            arm["kind"],
            "yes" if arm["shares_first_chunk"] else "no",
            f"{arm['trained_parameters'] / 1e6:.2f} M" if arm["trained_parameters"] else "none",
            "" if arm["seams"] is None else arm["seams"],
            "" if arm["seconds"] is None else f"{arm['seconds']:.1f}",
            arm["about"],
        )
    yield ""


def detail(name: str, metric: Mapping[str, Any], reference: str) -> Iterator[str]:
    unit = f", {metric['unit']}" if metric["unit"] else ""
    yield f"## {metric['label']} (`{name}`{unit}; {ARROWS[metric['better']]})"
    yield ""
    if metric["ranked_above_real"]:
        controls = " and ".join(f"`{arm}`" for arm in metric["ranked_above_real"])
        yield f"**Ranks {controls} above real video: not to be headlined.**"
        yield ""
    yield row("arm", "value [95 %]", "n", f"minus `{reference}` [95 %]", "no value", PAPER)
    yield row(*["---"] * 6)
    for arm, one in metric["arms"].items():
        missing = ", ".join(f"{count} {reason}" for reason, count in one["missing"].items())
        difference = with_ends(one["difference"]) if "difference" in one else ""
        value = with_ends(one) if one["value"] is not None else value_of(one)
        yield row(f"`{arm}`", value, one["videos"], difference, missing, one["paper"])
    yield ""


def beginning(length: str, metrics: Mapping[str, Any], report: Mapping[str, Any]) -> Iterator[str]:
    names = list(metrics)[:HEADLINES]
    yield f"## After {length} frames"
    yield ""
    yield row("arm", *(report["metrics"][name]["label"] for name in names))
    yield row(*["---"] * (1 + len(names)))
    for arm in report["arms"]:
        yield row(f"`{arm}`", *(with_ends(metrics[name][arm]) for name in names))
    yield ""


def counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def value_of(one: Mapping[str, Any]) -> str:
    """The value, or the most frequent reason why there is none."""
    if one["value"] is not None:
        return number(one["value"])
    missing = one.get("missing") or {}
    return max(missing, key=missing.__getitem__) if missing else "none yet"


def with_missing(one: Mapping[str, Any]) -> str:
    """The value, with the number of videos that have none: "0.3 (4 without)"; `detail` says why."""
    missing = one.get("missing") or {}
    if one["value"] is None or not missing:
        return value_of(one)
    return f"{number(one['value'])} ({sum(missing.values())} without)"


def with_ends(one: Mapping[str, Any]) -> str:
    if one["value"] is None:
        return ""
    if one["low"] is None:
        return number(one["value"])
    return f"{number(one['value'])} [{number(one['low'])}, {number(one['high'])}]"


def number(value: float) -> str:
    """About three digits; small differences keep theirs."""
    if value == 0:
        return "0"
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.3g}" if size >= 0.01 else f"{value:.1g}"
