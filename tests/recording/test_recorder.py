"""The recorder: what it writes is what the model says, it leaves no trace in the loop, and no kill breaks a folder."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import cl_viz
from cl_viz.core.errors import FormatError, InputError
from cl_viz.core.run import Snapshot
from cl_viz.encoders._card import read_card
from cl_viz.encoders._recorded import is_growing, snapshot_file, snapshot_files
from cl_viz.encoders._recorded_card import RecordedCard
from cl_viz.recording import metrics_of
from cl_viz.recording._measures import MEASURES, collapse_reason, measure
from tests.recording.conftest import Inputs, TinyEncoder


def _recorder(folder: Path, inputs: Inputs, **settings: Any) -> cl_viz.Recorder:
    return cl_viz.Recorder(folder, (inputs.first, inputs.second), label=inputs.label, **{"every": 2, **settings})


def _train(encoder: nn.Module, inputs: Inputs, recorder: cl_viz.Recorder | None, steps: int = 6) -> list[float]:
    optimiser = torch.optim.SGD(encoder.parameters(), lr=0.1)
    losses = []
    for step in range(steps + 1):
        if recorder is not None:
            recorder.step(encoder, step)
        one, two = encoder(inputs.first)["projector"], encoder(inputs.second)["projector"]
        loss = (one - two).square().mean() - 0.01 * one.var() + 0 * random.random() + 0 * np.random.rand()  # noqa: NPY002
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_a_recorded_folder_opens_as_a_run_with_steps_layers_views_and_labels(
    encoder: TinyEncoder, inputs: Inputs, tmp_path: Path
) -> None:
    card = {"loss": "mine", "temperature": 0.1, "batch_size": 64}
    with _recorder(tmp_path / "first", inputs, card=card, metadata={"note": ["<b>x</b>"] * 64}) as recorder:
        _train(encoder, inputs, recorder)
    assert recorder.steps == (0, 2, 4, 6)
    run = cl_viz.open_run(tmp_path / "first")
    assert run.name == "first"
    assert run.steps == (0, 2, 4, 6)
    assert run.layers == ("projector", "backbone")
    assert {key: run.card[key] for key in card} == card
    shown = run.get(4, "backbone")
    assert (shown.n, shown.dim, shown.view_names) == (64, 16, ("view_1", "view_2"))
    assert shown.aligned
    assert np.array_equal(shown.role("label"), inputs.label.numpy())
    assert list(shown.columns()["note"]) == ["<b>x</b>"] * 64
    assert shown.columns() is run.get(6, "projector").columns() or np.array_equal(
        shown.columns()["label"], run.get(6).columns()["label"]
    )


def test_a_recorder_shows_itself_small_and_escaped(encoder: TinyEncoder, inputs: Inputs, tmp_path: Path) -> None:
    with _recorder(tmp_path / "<b>first", inputs) as recorder:
        empty = recorder._repr_html_()
        _train(encoder, inputs, recorder)
        shown = recorder._repr_html_()
    assert "<b>first" not in shown
    assert "last step" not in empty
    for part in ("64 samples", "4, at steps that 2 divides", *recorder.history[6]):
        assert part in shown
    assert len(shown) < 3_000
    assert repr(recorder).endswith("every=2, 4 snapshots)")
    table = recorder.table()
    assert table.index.tolist() == [0, 2, 4, 6]
    assert table.to_dict("index") == recorder.history


def test_what_is_written_is_what_the_model_says_in_evaluation_mode(
    encoder: TinyEncoder, inputs: Inputs, tmp_path: Path
) -> None:
    recorder = _recorder(tmp_path / "run", inputs, batch_size=10)
    recorder.step(encoder, 0)
    with torch.no_grad():
        expected = encoder.eval()(inputs.second)
    run = cl_viz.open_run(tmp_path / "run")
    for layer in ("projector", "backbone"):
        assert np.allclose(run.get(0, layer).views["view_2"], expected[layer].numpy(), atol=1e-6)


def test_a_training_with_a_recorder_is_bit_for_bit_that_without(inputs: Inputs, tmp_path: Path) -> None:
    outcomes = []
    for recorded in (False, True):
        torch.manual_seed(3)
        np.random.seed(3)  # noqa: NPY002
        random.seed(3)
        encoder = TinyEncoder()
        encoder.backbone[1].eval()  # frozen by the user: stays so
        recorder = _recorder(tmp_path / "run", inputs, every=1) if recorded else None
        losses = _train(encoder, inputs, recorder)
        draws = (torch.rand(2).tolist(), np.random.rand(), random.random())  # noqa: NPY002
        weights = torch.cat([entry.detach().flatten() for entry in encoder.state_dict().values()])
        outcomes.append((losses, draws, weights.tolist(), [module.training for module in encoder.modules()]))
        assert all(entry.grad is not None for entry in encoder.projector.parameters())
    assert outcomes[0] == outcomes[1]


def test_a_failing_encoder_leaves_the_loop_as_it_was(encoder: TinyEncoder, inputs: Inputs, tmp_path: Path) -> None:
    encoder.train()
    before = torch.get_rng_state()

    def encode(batch: Any, view: str) -> Any:
        torch.rand(1)
        raise RuntimeError("no")

    recorder = _recorder(tmp_path / "run", inputs)
    with pytest.raises(RuntimeError, match="no"):
        recorder.step(encode, 0, model=encoder)
    assert encoder.training
    assert torch.equal(torch.get_rng_state(), before)
    assert not (tmp_path / "run" / "card.json").exists()


def test_an_encode_function_gets_the_view_and_draws_the_same_each_time(inputs: Inputs, tmp_path: Path) -> None:
    recorder = cl_viz.Recorder(tmp_path / "run", {"image": inputs.first, "text": inputs.second}, every=1)
    seen = []

    def encode(batch: torch.Tensor, view: str) -> np.ndarray:
        seen.append(view)
        return (batch + torch.randn_like(batch)).numpy()

    for step in range(2):
        recorder.step(encode, step)
    run = cl_viz.open_run(tmp_path / "run")
    assert set(seen) == {"image", "text"}
    assert run.layers == ("embedding",)
    for view in ("image", "text"):
        assert np.array_equal(run.get(0).views[view], run.get(1).views[view])


def test_a_mapping_of_tensors_is_given_by_name(tmp_path: Path) -> None:
    class Tokens(nn.Module):
        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return torch.stack([ids.float().mean(1), mask.float().sum(1), ids[:, 0].float()], dim=1)

    tokens = {"ids": torch.arange(60).reshape(12, 5), "mask": torch.ones(12, 5)}
    cl_viz.Recorder(tmp_path / "run", {"text": tokens}, batch_size=5).record(Tokens(), 0)
    found = cl_viz.open_run(tmp_path / "run").get().views["text"]
    assert np.allclose(found, Tokens()(**tokens).numpy())


@pytest.mark.parametrize("views", [1, 2])
def test_the_measures_are_those_of_the_diagnostics(views: int, labelled_set: cl_viz.EmbeddingSet) -> None:
    names = labelled_set.view_names[:views]
    found = measure([labelled_set.views[name] for name in names], 512)
    assert set(found) == set(MEASURES)
    shown = labelled_set.select(views=names)
    scores = cl_viz.diagnose("score_distribution", shown)
    ranks = cl_viz.diagnose("dimension_ranks", shown)
    assert found["covariance_entropy_rank"] == pytest.approx(ranks["covariance_entropy_rank"].value, rel=1e-6)
    if views == 2:
        plane = cl_viz.diagnose("alignment_uniformity", shown)
        assert found["positive_mean"] == pytest.approx(scores["positive_mean"].value, abs=1e-6)
        assert found["negative_mean"] == pytest.approx(scores["negative_mean"].value, abs=1e-6)
        assert found["alignment"] == pytest.approx(plane["alignment"].value, rel=1e-6)
    unit = labelled_set.views["view_1"] / np.linalg.norm(labelled_set.views["view_1"], axis=1, keepdims=True)
    assert found["total_variance"] == pytest.approx(unit.astype(np.float64).var(axis=0, ddof=1).sum(), rel=1e-6)
    assert found["standard_deviation"] == pytest.approx(unit.std(axis=0, ddof=1).mean(), rel=1e-4)


def test_measures_leave_out_rows_that_cannot_be_used() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    spoiled = np.concatenate([rows, [[0, 0, 0, 0], [np.nan, 1, 1, 1]]]).astype(np.float32)
    assert measure([spoiled], 100) == pytest.approx(measure([rows], 100), nan_ok=True)
    assert all(np.isnan(value) for value in measure([np.full((5, 3), np.nan, dtype=np.float32)], 100).values())


def test_metrics_are_read_without_the_embeddings(encoder: TinyEncoder, inputs: Inputs, tmp_path: Path) -> None:
    recorder = _recorder(tmp_path / "run", inputs)
    recorder.step(encoder, 0, values={"training_loss": 1.5})
    recorder.step(encoder, 2, values={"training_loss": float("nan")})
    found = metrics_of(tmp_path / "run")
    assert found[0] == recorder.history[0]
    assert found[0]["training_loss"] == 1.5
    assert np.isnan(found[2]["training_loss"])


def test_resuming_goes_on_and_moves_later_steps_aside(encoder: TinyEncoder, inputs: Inputs, tmp_path: Path) -> None:
    _train(encoder, inputs, _recorder(tmp_path / "run", inputs))
    (tmp_path / "run" / "snapshots" / ".writing-left.safetensors").write_bytes(b"half")
    resumed = _recorder(tmp_path / "run", inputs)
    assert resumed.steps == (0, 2, 4, 6)
    resumed.step(encoder, 2)
    assert resumed.steps == (0, 2)
    resumed.step(encoder, 4)
    assert cl_viz.open_run(tmp_path / "run").steps == (0, 2, 4)
    assert sorted(path.name for path in (tmp_path / "run" / "abandoned").iterdir()) == [
        "step-000000004.safetensors", "step-000000006.safetensors",
    ]  # fmt: skip
    assert not list((tmp_path / "run").rglob(".writing-*"))


def test_another_probe_or_another_kind_of_run_is_refused(encoder: TinyEncoder, inputs: Inputs, tmp_path: Path) -> None:
    _recorder(tmp_path / "run", inputs).step(encoder, 0)
    with pytest.raises(InputError, match="another probe set"):
        cl_viz.Recorder(tmp_path / "run", (inputs.second, inputs.first), label=inputs.label)
    with pytest.raises(InputError, match="another probe set"):
        cl_viz.Recorder(tmp_path / "run", (inputs.first, inputs.second), label=inputs.label.flip(0))
    with pytest.raises(InputError, match="layers"):
        _recorder(tmp_path / "run", inputs).record(lambda batch, view: batch, 2)
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "card.json").write_text('{"name": "x", "dump": "x.npz"}')
    with pytest.raises(InputError, match="another kind"):
        _recorder(tmp_path / "dump", inputs)


@pytest.mark.parametrize(
    ("probe", "settings", "said"),
    [
        (torch.zeros(1, 3), {}, "two samples"),
        ((torch.zeros(4, 3), torch.zeros(5, 3)), {}, "as many in each view"),
        (7, {}, "view 'view_1' is a int"),
        (torch.zeros(4, 3), {"label": [1, 2]}, "one entry for each of the 4 samples"),
        (torch.zeros(4, 3), {"colour": [1, 2, 3, 4]}, "unknown role"),
        (torch.zeros(4, 3), {"every": 0}, "every is 0"),
        (torch.zeros(4, 3), {"metric_rows": 2}, "metric_rows is 2"),
        (torch.zeros(4, 3), {"seed": -1}, "seed is -1"),
        (torch.zeros(4, 3), {"most_overhead": "2 %"}, "a share above 0"),
        (torch.zeros(4, 3), {"card": {"snapshots": 1}}, "give it another name"),
        (torch.zeros(4, 3), {"card": {"rate": float("nan")}}, "cannot be written"),
        ({"a": {"x": torch.zeros(4, 2), "y": torch.zeros(3, 2)}}, {}, "one entry a sample"),
    ],
)
def test_what_cannot_be_recorded_is_explained(probe: Any, settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        cl_viz.Recorder(tmp_path / "run", probe, **settings)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (lambda batch, view: "text", "the encoder returns str"),
        (lambda batch, view: (batch, batch), "model(batch)[0]"),
        (lambda batch, view: batch[:, 0], "pools other axes"),
        (lambda batch, view: batch if view == "view_1" else batch[:, :5], "of one D in every batch and view"),
        (lambda batch, view: batch[:2], "rows together"),
        (lambda batch, view: {}, "mapping from layer"),
    ],
)
def test_an_output_that_cannot_be_used_is_explained(output: Any, said: str, inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        _recorder(tmp_path / "run", inputs).record(output, 0)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("values", "said"), [({"loss": "high"}, "the value 'loss' is 'high'"), ({"uniformity": 1.0}, "as a measure is")]
)
def test_values_of_the_loop_are_numbers_of_their_own(
    values: Any, said: str, encoder: TinyEncoder, inputs: Inputs, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        _recorder(tmp_path / "run", inputs).record(encoder, 0, values=values)
    assert said in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_probe_is_given_in_the_precision_of_the_model(
    dtype: torch.dtype, encoder: TinyEncoder, inputs: Inputs, tmp_path: Path
) -> None:
    probe = (inputs.first.double().numpy(), inputs.second)
    recorder = cl_viz.Recorder(tmp_path / "run", probe)
    recorder.record(encoder.to(dtype), 0)
    with torch.no_grad():
        expected = encoder.eval()(inputs.first.to(dtype))["projector"].float()
    assert np.array_equal(cl_viz.open_run(tmp_path / "run").get(0, "projector").views["view_1"], expected.numpy())


@pytest.mark.parametrize("step", [np.int64(3), torch.tensor(3)])
def test_a_counter_may_be_an_array(step: Any, encoder: TinyEncoder, inputs: Inputs, tmp_path: Path) -> None:
    recorder = _recorder(tmp_path / "run", inputs)
    recorder.record(encoder, step)
    assert recorder.steps == (3,)
    assert [type(found) for found in recorder.steps] == [int]


def test_a_folder_without_a_snapshot_says_so(inputs: Inputs, tmp_path: Path) -> None:
    _recorder(tmp_path / "run", inputs)
    with pytest.raises(FormatError, match="no snapshot yet"):
        cl_viz.open_run(tmp_path / "run")
    assert metrics_of(tmp_path / "run") == {}
    with pytest.raises(FormatError, match="no such file or folder"):
        metrics_of(tmp_path / "elsewhere")


@pytest.mark.parametrize("step", [-1, 1.5, True, "3"])
def test_a_step_is_a_whole_number(step: Any, encoder: TinyEncoder, inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the step is"):
        _recorder(tmp_path / "run", inputs).record(encoder, step)


def test_a_data_parallel_wrapper_is_looked_into(encoder: TinyEncoder, inputs: Inputs, tmp_path: Path) -> None:
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(encoder)
        _recorder(tmp_path / "run", inputs).record(wrapped, 0)
    finally:
        torch.distributed.destroy_process_group()
    plain = encode_plainly(encoder, inputs)
    assert np.allclose(cl_viz.open_run(tmp_path / "run").get(0).views["view_1"], plain, atol=1e-6)


def encode_plainly(encoder: TinyEncoder, inputs: Inputs) -> np.ndarray:
    with torch.no_grad():
        return encoder.eval()(inputs.first)["projector"].numpy()


# -- collapse --------------------------------------------------------------------------------------------------------
def _collapsing(share: float, dim: int = 8) -> Any:
    """An encoder whose rows are one direction but for a share of the sphere."""

    def encode(batch: torch.Tensor, view: str) -> torch.Tensor:
        rows = nn.functional.normalize(torch.randn(len(batch), dim), dim=1)
        return torch.eye(dim)[:1] + share * rows

    return encode


def test_complete_collapse_stops_with_its_reason_and_an_untrained_cone_does_not(inputs: Inputs, tmp_path: Path) -> None:
    recorder = cl_viz.Recorder(tmp_path / "run", inputs.first, every=1, stop_on_collapse=True)
    for step, share in enumerate((0.02, 0.05, 0.08)):  # below the limit, but opening
        recorder.step(_collapsing(share), step)
        assert not recorder.should_stop
    for step, share in enumerate((3.0, 1.0, 0.05), start=3):
        recorder.step(_collapsing(share), step)
    assert not recorder.should_stop  # one snapshot is not enough
    recorder.step(_collapsing(0.02), 6)
    assert recorder.should_stop
    assert recorder.reason.startswith("complete collapse: total variance")
    assert "at step 6" in recorder.reason


def test_a_lost_rank_stops_and_a_healthy_course_does_not() -> None:
    healthy = {step: {"total_variance": 0.9, "covariance_entropy_rank": 20.0 + step} for step in range(5)}
    assert collapse_reason(healthy, 2) == ""
    falling = {
        **healthy,
        **{step: {"total_variance": 0.9, "covariance_entropy_rank": 2.0} for step in (5, 6)},
    }
    assert collapse_reason(falling, 3) == ""
    assert collapse_reason(falling, 2).startswith("dimensional collapse: covariance entropy rank 2 at step 6")
    dead = {**healthy, **{step: {name: float("nan") for name in MEASURES} for step in (5, 6)}}
    assert "not finite" in collapse_reason(dead, 2)
    assert collapse_reason({}, 2) == ""


def test_a_start_that_could_not_be_measured_is_no_collapse() -> None:
    lost = {"total_variance": math.nan, "covariance_entropy_rank": math.nan}
    low = {"total_variance": 0.001, "covariance_entropy_rank": 3.0}
    assert collapse_reason({0: lost, 1: lost, 2: low, 3: low}, 2) == ""


def test_without_being_asked_nothing_stops(inputs: Inputs, tmp_path: Path) -> None:
    recorder = cl_viz.Recorder(tmp_path / "run", inputs.first, every=1)
    for step, share in enumerate((3.0, 0.01, 0.005, 0.001)):
        recorder.step(_collapsing(share), step)
    assert not recorder.should_stop
    assert recorder.reason == ""


# -- time ------------------------------------------------------------------------------------------------------------
def test_the_overhead_is_the_recorders_share_and_can_be_limited(inputs: Inputs, tmp_path: Path) -> None:
    def slow(batch: torch.Tensor, view: str) -> torch.Tensor:
        time.sleep(0.02)
        return batch

    recorder = cl_viz.Recorder(tmp_path / "run", inputs.first, every=1, most_overhead=0.5)
    assert recorder.overhead == 0.0
    taken = [recorder.step(slow, 0), recorder.step(slow, 1)]
    assert recorder.overhead > 0.5
    assert taken == [True, False]
    time.sleep(0.2)
    assert recorder.overhead < 0.5
    assert recorder.step(slow, 2)


# -- folders ---------------------------------------------------------------------------------------------------------
def test_a_folder_grows_until_it_is_closed(encoder: TinyEncoder, inputs: Inputs, tmp_path: Path) -> None:
    recorder = _recorder(tmp_path / "run", inputs)
    recorder.step(encoder, 0)

    def card() -> RecordedCard:
        found = read_card(tmp_path / "run")
        assert isinstance(found, RecordedCard)
        return found

    assert is_growing(card())
    long_ago = time.time() - 10_000
    os.utime(snapshot_file(tmp_path / "run", 0), (long_ago, long_ago))
    assert not is_growing(card())
    recorder.step(encoder, 2)
    recorder.close()
    assert not is_growing(card())
    _recorder(tmp_path / "run", inputs).step(encoder, 4)
    assert is_growing(card())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 99}, "version 99"),
        ({"layers": []}, "the layers are"),
        ({"views": ["a", "a"]}, "the views are"),
        ({"views": ["../../x", 3]}, "the views are"),
        ({"rows": "many"}, "rows"),
        ({"rows": True}, "rows"),
        ({"roles": {"owner": "x"}}, "the roles are"),
        ({"finished": "no"}, "finished"),
    ],
)
def test_a_card_that_is_wrong_is_refused(
    change: dict[str, Any], said: str, encoder: TinyEncoder, inputs: Inputs, tmp_path: Path
) -> None:
    _recorder(tmp_path / "run", inputs).step(encoder, 0)
    path = tmp_path / "run" / "card.json"
    card = json.loads(path.read_text())
    card["snapshots"].update(change)
    path.write_text(json.dumps(card))
    with pytest.raises(FormatError) as caught:
        cl_viz.open_run(tmp_path / "run")
    assert said in str(caught.value)


@pytest.mark.parametrize("content", ["[]", "3", "null", '"x"'])
def test_snapshots_that_are_no_mapping_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text('{"name": "x", "snapshots": ' + content + "}")
    with pytest.raises(FormatError, match="version"):
        cl_viz.open_run(tmp_path)


def test_damaged_files_are_named_when_they_are_asked_for(encoder: TinyEncoder, inputs: Inputs, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    _train(encoder, inputs, _recorder(folder, inputs))
    whole = snapshot_file(folder, 2).read_bytes()
    snapshot_file(folder, 2).write_bytes(whole[: len(whole) // 2])
    snapshot_file(folder, 4).write_bytes(b"")
    run = cl_viz.open_run(folder)
    assert run.get(6).n == 64
    for step in (2, 4):
        with pytest.raises(FormatError, match=f"step-00000000{step}"):
            run.get(step)
    with pytest.raises(FormatError, match="step-00000000"):
        metrics_of(folder)
    # Other snapshots of the wrong size, and files of other names, are no part of the run.
    (folder / "snapshots" / "notes.txt").write_text("mine")
    (folder / "snapshots" / "step-x.safetensors").write_bytes(b"")
    assert cl_viz.open_run(folder).steps == (0, 2, 4, 6)
    (folder / "probe.npz").unlink()
    with pytest.raises(FormatError, match=r"probe\.npz"):
        cl_viz.open_run(folder)


def test_a_snapshot_that_leads_out_of_the_folder_is_refused(
    encoder: TinyEncoder, inputs: Inputs, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    _recorder(folder, inputs).step(encoder, 0)
    outside = tmp_path / "secret.safetensors"
    snapshot_file(folder, 0).rename(outside)
    snapshot_file(folder, 0).symlink_to(outside)
    with pytest.raises(FormatError, match="leads out"):
        cl_viz.open_run(folder)


def test_a_pickle_in_the_probes_metadata_is_not_run(encoder: TinyEncoder, inputs: Inputs, tmp_path: Path) -> None:
    witness = tmp_path / "was_run"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (witness.write_text, ("x",))

    _recorder(tmp_path / "run", inputs).step(encoder, 0)
    np.savez(tmp_path / "run" / "probe.npz", label=np.array([Evil()] * 64, dtype=object), allow_pickle=True)
    with pytest.raises(FormatError):
        cl_viz.open_run(tmp_path / "run").get()
    assert not witness.exists()


def test_a_killed_writer_leaves_a_folder_that_opens_and_goes_on(tmp_path: Path) -> None:
    """Killed at an arbitrary moment, several times over: what is there is whole."""
    folder = tmp_path / "run"
    probe = torch.arange(200 * 64, dtype=torch.float32).reshape(200, 64).sin()

    def write_on(ready: int) -> None:
        recorder = cl_viz.Recorder(folder, probe, every=1, metric_rows=8)
        start = max(recorder.steps, default=-1) + 1
        for step in range(start, start + 100_000):
            recorder.step(lambda batch, view: batch, step)
            if step == start:
                os.write(ready, b"x")

    for attempt in range(4):
        told, ready = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                write_on(ready)
            finally:
                os._exit(1)
        assert os.read(told, 1) == b"x"
        time.sleep(0.03 + 0.017 * attempt)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(told)
        os.close(ready)
        run = cl_viz.open_run(folder)
        for step in run.steps:
            assert run.get(step).n == 200
        assert run.snapshots[0] == Snapshot(0, "embedding")
    assert len(snapshot_files(folder)) > 4


def test_a_kill_before_the_first_card_is_no_run_and_is_started_again(
    encoder: TinyEncoder, inputs: Inputs, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    _train(encoder, inputs, _recorder(folder, inputs), steps=2)
    (folder / "card.json").unlink()
    recorder = _recorder(folder, inputs)
    assert recorder.steps == ()
    recorder.step(encoder, 0)
    assert cl_viz.open_run(folder).steps == (0,)
