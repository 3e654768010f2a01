"""What the buttons on the runs of a list do: stop, change places, favourite, delete."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import gradio as gr

from t2v.errors import ConfigError
from t2v.settings.declaration import brief
from t2v.ui.action_buttons import SIGNS
from t2v.ui.command_buttons import CommandButtons
from t2v.ui.commands import Commands
from t2v.ui.errors import errors_shown, tell
from t2v.ui.history import History
from t2v.ui.texts.catalogue import tr_count


class RunActions:
    """Carries out what was clicked in a list. Rights are checked by the commands."""

    def __init__(self, commands: Commands, buttons: CommandButtons, history: History):
        self._commands = commands
        self._buttons = buttons
        self._history = history
        self._numbers = itertools.count()

    async def click(
        self, shown: Any, event: gr.EventData, request: gr.Request | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """An event of run_actions.js. Gives what `act` does."""
        values = event._data if isinstance(event._data, dict) else {}
        return await self.act(values.get("action"), values.get("run"), shown, request)

    async def act(
        self, action: Any, run_id: Any, shown: Any, request: gr.Request | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Carries out an action.

        Args:
            shown: id of the run in the player.

        Returns:
            What was done, for page.js; and the update of the favourite button of that run.
        """
        do = self._known().get(action) if isinstance(action, str) else None
        with errors_shown():
            if do is None:
                raise ConfigError(f"action must be one of {', '.join(SIGNS)}, got {brief(action)}")
        result = await do(run_id, request)
        is_toggled = action == "favourite" and run_id == shown
        return self._done(action, [run_id]), result if is_toggled else gr.skip()

    async def delete_unfinished(
        self, known: Any, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Deletes the visitor's runs that were stopped or have failed, without favourites."""
        deleted = []
        for run_id in await asyncio.to_thread(self._history.unfinished, known, request):
            with suppress(gr.Error):  # continued or deleted in the meantime
                await self._commands.delete(run_id, request)
                deleted.append(run_id)
        tell(tr_count("{n} video deleted.", "{n} videos deleted.", len(deleted)))
        return self._done("delete", deleted)

    def _done(self, action: str, run_ids: list[str]) -> dict[str, Any]:
        """What was done, for page.js: never the same twice, so that the page notices."""
        return {"action": action, "runs": run_ids, "number": next(self._numbers)}

    def _known(self) -> dict[str, Callable[[Any, Any], Coroutine[Any, Any, Any]]]:
        commands, buttons = self._commands, self._buttons
        return {
            "earlier": lambda run_id, request: commands.move(run_id, -1, request),
            "later": lambda run_id, request: commands.move(run_id, 1, request),
            "cancel": buttons.stop,
            "stop": buttons.stop,
            "favourite": buttons.click_favourite,
            "delete": commands.delete,
        }
