"""The handlers of one page, put together."""

from dataclasses import dataclass

from t2v.runs.worker import Worker
from t2v.settings.presets import Preset
from t2v.ui.ablation import Ablation
from t2v.ui.auth import Access
from t2v.ui.command_buttons import CommandButtons
from t2v.ui.commands import Commands
from t2v.ui.comparisons import Comparisons
from t2v.ui.downloads import Downloads
from t2v.ui.form_events import FormEvents
from t2v.ui.generation import Generation
from t2v.ui.history import History
from t2v.ui.own_runs import OwnRuns
from t2v.ui.render import RunView
from t2v.ui.run_actions import RunActions
from t2v.ui.slices import Slices
from t2v.ui.visitor_commands import VisitorCommands
from t2v.ui.watching import Watching


@dataclass(frozen=True, kw_only=True)
class Handlers:
    """What the events of the page call."""

    generation: Generation
    form_events: FormEvents
    watching: Watching
    commands: Commands
    buttons: CommandButtons
    downloads: Downloads
    history: History
    ablation: Ablation
    own_runs: OwnRuns
    actions: RunActions
    slices: Slices
    comparisons: Comparisons

    @classmethod
    def create(
        cls,
        worker: Worker,
        presets: dict[str, Preset],
        view: RunView,
        access: Access,
        *,
        is_streaming: bool = True,
    ) -> "Handlers":
        watching = Watching(worker, view, access, is_streaming=is_streaming)
        generation = Generation(worker, presets, watching, access)
        downloads = Downloads(worker, presets, view.form)
        panel = view.stage.ablation
        history = History(worker, access)
        visitors = VisitorCommands(worker, presets, access)
        commands = Commands(worker, visitors, access)
        buttons = CommandButtons(worker, visitors, watching)
        slices = Slices(worker)
        return cls(
            generation=generation,
            form_events=FormEvents(worker, presets, view.form, access),
            watching=watching,
            commands=commands,
            buttons=buttons,
            downloads=downloads,
            history=history,
            ablation=Ablation(worker, panel, generation, downloads, watching.tabs),
            own_runs=OwnRuns(worker, access),
            actions=RunActions(commands, buttons, history),
            slices=slices,
            comparisons=Comparisons(worker, slices),
        )
