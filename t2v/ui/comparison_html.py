"""HTML of a comparison of two runs: the table of their numbers, the votes, the controls."""

from t2v.runs.measurements import Span
from t2v.runs.votes import Count
from t2v.ui.measures import number, percent
from t2v.ui.texts.catalogue import tr


NAMES = ("A", "B")
ROWS = (
    "motion",
    "seam_ratio",
    "worst_seam",
    "drift",
    "sharpness",
    "num_cuts",
    "num_stagnant",
)


def transport() -> str:
    """One button and one slider for both players."""
    return (
        f'<div class="transport"><button type="button" data-play aria-pressed="false">'
        f'{tr("Play both")}</button><input type="range" min="0" max="1000" value="0" '
        f'aria-label="{tr("Position in both videos")}"></div>'
    )


def rows_of(left: Span | None, right: Span | None) -> list[tuple[str, float | None, float | None]]:
    """The numbers of two runs, by name."""

    def values(span: Span | None) -> dict[str, float | None]:
        if span is None:
            return dict.fromkeys(ROWS)
        return {
            "motion": span.motion.value,
            "seam_ratio": span.seam_ratio.value,
            "worst_seam": span.worst_seam,
            "drift": span.drift.value,
            "sharpness": span.sharpness.value,
            "num_cuts": span.num_cuts,
            "num_stagnant": span.num_stagnant,
        }

    first, second = values(left), values(right)
    return [(name, first[name], second[name]) for name in ROWS]


def difference(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else round(right - left, 4)


def difference_table(left: Span | None, right: Span | None) -> str:
    """HTML: the numbers of both and B minus A."""
    if left is None and right is None:
        return f'<p class="quiet">{tr("These videos were made before chunks were measured.")}</p>'
    labels = {
        "motion": tr("Motion (px a frame)"),
        "seam_ratio": tr("Seam, mean"),
        "worst_seam": tr("Seam, strongest"),
        "drift": tr("Drift, mean"),
        "sharpness": tr("Sharpness"),
        "num_cuts": tr("Cuts"),
        "num_stagnant": tr("Stagnant chunks"),
    }
    rows = "".join(
        f'<tr><th scope="row">{labels[name]}</th><td>{shown(name, a)}</td><td>{shown(name, b)}</td>'
        f"<td>{shown(name, difference(a, b), is_difference=True)}</td></tr>"
        for name, a, b in rows_of(left, right)
    )
    heads = "".join(f'<th scope="col">{text}</th>' for text in ("", *NAMES, tr("B minus A")))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def shown(name: str, value: float | None, *, is_difference: bool = False) -> str:
    """A number of one row as text; differences have a sign."""
    if value is None:
        return tr("none")
    if name.startswith("num_"):
        text = f"{abs(value):.0f}"
    else:
        text = percent(abs(value)) if name == "sharpness" else number(abs(value))
    if not is_difference:
        return text
    return f"{'-' if value < 0 else '+'}{text}"


def describe_count(count: Count) -> str:
    if not count.total:
        return ""
    text = tr(
        "Blind votes: {first} for A, {second} for B, {same} saw no difference",
        first=count.first,
        second=count.second,
        same=count.same,
    )
    return f'<p class="counted">{text}</p>'


def describe_choice(choice: str) -> str:
    """What somebody has just voted for."""
    texts = {"left": tr("You preferred A."), "right": tr("You preferred B.")}
    texts["same"] = tr("You saw no difference.")
    return f'<p class="chosen-video" role="status">{texts[choice]}</p>' if choice else ""
