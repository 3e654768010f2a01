"""The strip of measurements under the timeline: motion, seams, drift and cuts, chunk by chunk."""

from math import ceil

from t2v.runs.events import ChunkMeasured, Rewound, RunEvent, Started
from t2v.runs.measurements import Measurements, Span
from t2v.ui.labels import escaped
from t2v.ui.texts.catalogue import tr, tr_count


# What a full bar means, at least: lower values must not look large.
MOTION_SCALE, SEAM_SCALE, DRIFT_SCALE = 2.0, 3.0, 20.0
STRONG_SEAM = 2.0  # the seam is drawn in another colour


def changes_measures(events: list[RunEvent]) -> bool:
    """Whether the strip looks different after these events."""
    return any(isinstance(event, ChunkMeasured | Rewound | Started) for event in events)


def measures_strip(measurements: Measurements, num_chunks: int) -> str:
    """HTML of the strip; "" if nothing is measured (yet)."""
    newest, total = measurements.newest, measurements.total()
    if newest is None or total is None:
        return ""
    measurements.widen(num_chunks)
    spans = measurements.spans
    num_spans = max(ceil(num_chunks / measurements.chunks_per_span), max(spans) + 1)
    scales = (
        max(MOTION_SCALE, *(span.motion.value or 0.0 for span in spans.values()), 0.0),
        max(SEAM_SCALE, *(span.worst_seam or 0.0 for span in spans.values()), 0.0),
        max(DRIFT_SCALE, *(span.drift.value or 0.0 for span in spans.values()), 0.0),
    )
    columns = "".join(column(spans.get(number), scales) for number in range(num_spans))
    names = (tr("Motion"), tr("Seam"), tr("Drift"), tr("Cut"))
    headings = "".join(f"<b>{name}</b>" for name in names)
    current = newest.first // measurements.chunks_per_span
    text, label = describe_span(newest), tr("Measurements of the chunks")
    return (
        '<div class="measures">'
        f'<p class="readout"><span data-default="{text}">{text}</span>{badge(newest, total)}</p>'
        f'<div class="chart"><div class="headings" aria-hidden="true">{headings}</div>'
        '<div class="columns" role="slider" tabindex="0" '
        f'aria-label="{label}" aria-valuemin="0" aria-valuemax="{max(spans)}" '
        f'aria-valuenow="{current}" aria-valuetext="{describe_span(spans[current])}">'
        f"{columns}</div></div>"
        f"{table(list(spans.values()))}</div>"
    )


def badge(newest: Span, total: Span) -> str:
    """Says that the newest chunk is stagnant, or how many have been."""
    if newest.num_stagnant:
        return f' <b class="badge">{tr("stagnant")}</b>'
    if total.num_stagnant:
        return f' <b class="badge past">{tr("{n} stagnant", n=total.num_stagnant)}</b>'
    return ""


def column(span: Span | None, scales: tuple[float, float, float]) -> str:
    """One span as bars; an empty one for chunks without numbers."""
    if span is None:
        return "<i></i>"
    motion, seam, drift = scales
    still = " still" if span.num_stagnant else ""
    strong = " strong" if (span.worst_seam or 0.0) >= STRONG_SEAM else ""
    text = describe_span(span)
    cut = ' class="cut"' if span.num_cuts else ""
    return (
        f'<i data-text="{text}" title="{text}">'
        f'<u class="motion{still}" style="--share:{share(span.motion.value, motion)}"></u>'
        f'<u class="seam{strong}" style="--share:{share(span.worst_seam, seam)}"></u>'
        f'<u class="drift" style="--share:{share(span.drift.value, drift)}"></u>'
        f"<u{cut}></u></i>"
    )


def share(value: float | None, scale: float) -> str:
    return f"{min(1.0, (value or 0.0) / scale):.2f}"


def describe_span(span: Span) -> str:
    """All numbers of a span as one sentence."""
    is_one = span.first == span.last
    values = {
        "motion": number(span.motion.value),
        "seam": number(span.worst_seam),
        "drift": number(span.drift.value),
        "sharpness": percent(span.sharpness.value),
    }
    if is_one:
        text = tr(
            "Chunk {n}: motion {motion} px a frame, seam {seam}, drift {drift}, "
            "sharpness {sharpness}",
            n=span.first,
            **values,
        )
    else:
        text = tr(
            "Chunks {first} to {last}: motion {motion} px a frame, strongest seam {seam}, "
            "drift {drift}, sharpness {sharpness}",
            first=span.first,
            last=span.last,
            **values,
        )
    cuts = tr_count("{n} cut", "{n} cuts", span.num_cuts) if span.num_cuts else tr("no cut")
    parts = [text, cuts]
    if span.num_stagnant:
        parts.append(tr("stagnant") if is_one else tr("{n} stagnant", n=span.num_stagnant))
    return escaped(tr(", ").join(parts))


def table(spans: list[Span]) -> str:
    """HTML of a table of the numbers, for screen readers."""
    names = (tr("Chunk"), tr("Motion (px a frame)"), tr("Seam"), tr("Drift"), tr("Sharpness"))
    head = "".join(f'<th scope="col">{name}</th>' for name in (*names, tr("Cut")))
    rows = "".join(
        f'<tr><th scope="row">{chunks(span)}</th><td>{number(span.motion.value)}</td>'
        f"<td>{number(span.worst_seam)}</td><td>{number(span.drift.value)}</td>"
        f"<td>{percent(span.sharpness.value)}</td><td>{span.num_cuts or tr('none')}</td></tr>"
        for span in spans
    )
    return (
        f'<table class="sr-only"><caption>{tr("Measurements of the chunks")}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def chunks(span: Span) -> str:
    return f"{span.first}" if span.first == span.last else f"{span.first}-{span.last}"


def number(value: float | None) -> str:
    """A number with three digits or fewer after the first; a word where there is none."""
    if value is None:
        return tr("none")
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def percent(value: float | None) -> str:
    return tr("none") if value is None else f"{value:.0%}"
