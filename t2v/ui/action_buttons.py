"""The buttons on every run in a list, as HTML."""

from t2v.ui.labels import escaped
from t2v.ui.texts.catalogue import tr


# By action: (the sign on its button, its name). Run_actions.js sends the action.
SIGNS = {
    "earlier": ("←", "Move forward in the queue"),
    "later": ("→", "Move back in the queue"),
    "cancel": ("✕", "Cancel"),
    "stop": ("■", "Stop"),
    "favourite": ("☆", "Favourite"),
    "delete": ("✕", "Delete"),
}
ASKED = ("delete",)  # actions that are asked about first


def action_buttons(run_id: str, prompt: str, actions: list[str], *, is_favourite: bool) -> str:
    """HTML of the buttons of one run.

    Args:
        run_id, prompt: as they are, not yet escaped.
        actions: keys of `SIGNS`, in order.
    """
    run = escaped(run_id)
    buttons = []
    for action in actions:
        sign, name = SIGNS[action][0], tr(SIGNS[action][1])
        more = f'data-{"ask" if action in ASKED else "action"}="{action}"'
        if action == "favourite":
            sign = "★" if is_favourite else sign
            more += f' aria-pressed="{str(is_favourite).lower()}"'
        buttons.append(
            f'<button type="button" data-run="{run}" {more} title="{name}" '
            f'aria-label="{name}: {escaped(prompt)}">{sign}</button>'
        )
    question = (
        f'<span class="question" role="group" aria-label="{tr("Delete this video?")}">'
        f"<b>{tr('Delete?')}</b> "
        f'<button type="button" data-run="{run}" data-action="delete">{tr("Delete")}</button>'
        f'<button type="button" data-keep>{tr("Keep")}</button></span>'
    )
    asks = question if any(action in ASKED for action in actions) else ""
    return f'<span class="actions">{"".join(buttons)}</span>{asks}'
