"""From what a person typed to a run: a dump, a checkpoint, a run folder, or ``sample:NAME``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import FormatError, similar_name
from cl_viz.core.run import Run

SAMPLE = "sample:"
CARD = "card.json"
PROJECTOR_CONFIG = "projector_config.pbtxt"
_WEIGHTS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".tar", ".onnx", ".torchscript")


@dataclass(frozen=True)
class Choices:
    """What a person chose instead of the guesses.

    Attributes
    ----------
    views : tuple of str
        Views to keep, in order; empty keeps what would be kept anyway.
    roles : Mapping[str, str]
        Role -> column; for a dump also a path to a file of labels.
    pairs : str or None
        File of row pairs, for views that are not aligned row by row.
    """

    views: tuple[str, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    pairs: str | None = None

    def __bool__(self) -> bool:
        """Whether anything was chosen."""
        return bool(self.views or self.roles or self.pairs)


def is_run(target: str) -> bool:
    """Whether `target` names a bundled run, a run folder or a checkpoint that can be run, and not a dump."""
    known = any((Path(target) / name).is_file() for name in (CARD, PROJECTOR_CONFIG))
    return target.startswith(SAMPLE) or known or _is_checkpoint(Path(target)) or _is_step_folder(Path(target))


def open_target(target: str, choices: Choices | None = None) -> Run:
    """Open a dump, a checkpoint, a run folder or ``sample:NAME``.

    Raises
    ------
    FormatError
        If there is nothing at the path, or it cannot be read.
    InputError
        If there is no sample of that name, or the choices do not fit what is there.
    """
    choices = choices or Choices()
    if not is_run(target):
        from cl_viz.formats import load

        check_exists(target)
        if _may_be_foreign(Path(target)):
            from cl_viz.encoders._recognising import refuse_checkpoint
            from cl_viz.encoders._shard_folder import refuse_unfinished

            refuse_checkpoint(target)
            refuse_unfinished(Path(target))
        views = list(choices.views) or None
        return Run.from_set(load(Path(target), views=views, pairs=choices.pairs, **choices.roles))
    if choices.pairs:
        raise FormatError("--pairs is for a dump, and this is a run", where=target)
    if target.startswith(SAMPLE):
        from cl_viz.encoders import sample_runs

        run = sample_runs([target.removeprefix(SAMPLE)])[0]
    else:
        from cl_viz.encoders import open_run

        run = open_run(Path(target))
    return _with_choices(run, choices) if choices else run


def check_exists(target: str) -> None:
    """Raise `FormatError` where `target` is neither a bundled run nor an existing path."""
    if not target.startswith(SAMPLE) and not Path(target).exists():
        raise FormatError(
            "there is no such file or folder",
            where=target,
            allowed=f"a dump, a checkpoint, a run folder, or {SAMPLE}NAME for a bundled run",
            remedy=_alike(Path(target)) or "check the spelling, and the folder the command was started in",
        )


def _alike(path: Path) -> str | None:
    """Return the name in the folder of a path that is spelt most like it, as a question."""
    try:
        return similar_name(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        return None


def check_one_exists(targets: Sequence[str]) -> None:
    """Raise `FormatError` where the one target does not exist: asked before anything heavy is imported.

    Of several, each is told when its turn comes, and the others are looked at.
    """
    if len(targets) == 1:
        check_exists(targets[0])


def absolute_target(target: str) -> str:
    """Return `target` so that it means the same in another working directory."""
    return target if target.startswith(SAMPLE) else str(Path(target).resolve())


def is_foreign_checkpoint(target: str) -> bool:
    """Whether `target` is a checkpoint that embeds nothing until it is given data."""
    path = Path(target)
    if not _may_be_foreign(path):
        return False
    from cl_viz.encoders._recognising import candidates, looks_like_checkpoint

    return looks_like_checkpoint(path) and bool(candidates(path))


def _is_step_folder(path: Path) -> bool:
    if not path.is_dir():
        return False
    from cl_viz.encoders._step_folder import is_step_folder

    return is_step_folder(path)


def _may_be_foreign(path: Path) -> bool:
    """Whether it is worth importing the encoders to ask: tables and arrays are spared that."""
    return path.is_dir() or path.suffix.lower() in _WEIGHTS


def _is_checkpoint(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError:
        return False
    # A checkpoint is a length of 8 bytes, then a JSON object; asking this first spares other dumps the import of torch.
    if head[8:] != b"{":
        return False
    from cl_viz.encoders.tiny import recognise

    return recognise(path) is not None


def _with_choices(run: Run, choices: Choices) -> Run:
    loaders: dict[tuple[int | None, str | None], Callable[[], EmbeddingSet]] = {
        snapshot: partial(_chosen, run, snapshot.step, snapshot.layer, choices) for snapshot in run.snapshots
    }
    return Run(run.name, loaders, card=run.card, source=run.source)  # type: ignore[arg-type]


def _chosen(run: Run, step: int | None, layer: str | None, choices: Choices) -> EmbeddingSet:
    found = run.get(step, layer)
    if choices.views:
        found = found.select(views=choices.views)
    return found.with_roles(**choices.roles) if choices.roles else found
