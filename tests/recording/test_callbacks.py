"""The callbacks, each in a training of a few steps by the real library."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import cl_viz
from cl_viz.core.errors import InputError, MissingDependencyError
from cl_viz.encoders._card import read_card
from cl_viz.recording import metrics_of
from tests.recording.conftest import Inputs

# What other libraries warn of is not what is tested here.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def lightning() -> Any:
    pytest.importorskip("lightning")
    return importlib.import_module("lightning.pytorch")


@pytest.fixture(scope="module")
def transformers() -> Any:
    return pytest.importorskip("transformers")


def is_finished(folder: Path) -> bool:
    card = read_card(folder)
    return bool(card.facts["snapshots"]["finished"])


# -- Lightning -------------------------------------------------------------------------------------------------------
def lightning_module(lightning: Any, loss: nn.Module | None = None) -> Any:
    class Contrastive(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Dropout(0.2))
            self.projection_head = nn.Linear(12, 4)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.projection_head(self.backbone(batch))
            return out

        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            one, two = self(batch[0]), self(batch[1])
            value = loss(one, two) if loss is not None else (one - two).square().mean()
            self.log("train_loss", value)
            return value

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.05)

    return Contrastive()


def fit(
    lightning: Any, module: Any, callback: Any, inputs: Inputs, folder: Path, steps: int = 6, **settings: Any
) -> Any:
    trainer = lightning.Trainer(
        max_steps=steps, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[callback], default_root_dir=folder, **settings,
    )  # fmt: skip
    trainer.fit(module, DataLoader(TensorDataset(inputs.first, inputs.second), batch_size=16))
    return trainer


def test_lightning_records_its_steps_and_metrics(lightning: Any, inputs: Inputs, tmp_path: Path) -> None:
    from cl_viz.recording.lightning_callback import LightningRecorder

    recorder = cl_viz.Recorder(tmp_path / "run", (inputs.first, inputs.second), every=2, label=inputs.label)
    module = lightning_module(lightning)
    fit(lightning, module, LightningRecorder(recorder), inputs, tmp_path)
    run = cl_viz.open_run(tmp_path / "run")
    assert run.steps == (0, 2, 4, 6)
    assert is_finished(tmp_path / "run")
    with torch.no_grad():
        expected = module.eval()(inputs.first)
    assert np.allclose(run.get(6).views["view_1"], expected, atol=1e-6)
    assert not np.allclose(run.get(0).views["view_1"], run.get(6).views["view_1"])
    assert np.isfinite(metrics_of(tmp_path / "run")[6]["train_loss"])


def test_lightning_counts_optimiser_steps(lightning: Any, inputs: Inputs, tmp_path: Path) -> None:
    from cl_viz.recording.lightning_callback import LightningRecorder

    recorder = cl_viz.Recorder(tmp_path / "run", inputs.first, every=1)
    fit(lightning, lightning_module(lightning), LightningRecorder(recorder), inputs, tmp_path, steps=2,
        accumulate_grad_batches=2)  # fmt: skip
    assert recorder.steps == (0, 1, 2)


def test_lightning_stops_on_collapse(lightning: Any, inputs: Inputs, tmp_path: Path) -> None:
    from cl_viz.recording.lightning_callback import LightningRecorder

    shares = iter([3.0, 0.05, 0.01, 0.01, 0.01, 0.01, 0.01])

    def collapsing(batch: torch.Tensor, view: str) -> torch.Tensor:
        return torch.eye(8)[:1] + share * nn.functional.normalize(batch, dim=1)

    recorder = cl_viz.Recorder(tmp_path / "run", inputs.first, every=1, stop_on_collapse=True)
    callback = LightningRecorder(recorder, collapsing)
    record = recorder.record

    def recording(*given: Any, **named: Any) -> Any:
        nonlocal share
        share = next(shares)
        return record(*given, **named)

    share = 0.0
    recorder.record = recording  # type: ignore[method-assign]
    trainer = fit(lightning, lightning_module(lightning), callback, inputs, tmp_path, min_steps=1, max_epochs=2)
    assert recorder.reason.startswith("complete collapse")
    assert trainer.global_step < 6


def lightly_loss() -> nn.Module:
    """lightly's VICReg loss, from its own file: the package around it needs torchvision, which this loss does not."""
    lightly = pytest.importorskip("lightly")
    path = Path(lightly.__file__).parent / "loss" / "vicreg_loss.py"
    spec = importlib.util.spec_from_file_location("lightly_vicreg_loss", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loss: nn.Module = module.VICRegLoss()
    return loss


def test_a_model_of_lightly_records_projector_and_backbone(lightning: Any, inputs: Inputs, tmp_path: Path) -> None:
    """lightly's own loss inside a Lightning module, as its users write it."""
    from cl_viz.recording.lightly_callback import LightlyRecorder

    module = lightning_module(lightning, lightly_loss())
    recorder = cl_viz.Recorder(tmp_path / "run", (inputs.first, inputs.second), every=3)
    fit(lightning, module, LightlyRecorder(recorder), inputs, tmp_path)
    run = cl_viz.open_run(tmp_path / "run")
    assert run.steps == (0, 3, 6)
    assert run.layers == ("projector", "backbone")
    assert (run.get(layer="projector").dim, run.get(layer="backbone").dim) == (4, 12)
    with torch.no_grad():
        expected = module.eval().backbone(inputs.second)
    assert np.allclose(run.get(6, "backbone").views["view_2"], expected, atol=1e-6)


def test_a_part_that_is_not_there_is_named(lightning: Any, inputs: Inputs, tmp_path: Path) -> None:
    from cl_viz.recording.lightly_callback import LightlyRecorder

    recorder = cl_viz.Recorder(tmp_path / "run", inputs.first, every=1)
    callback = LightlyRecorder(recorder, projection_head="head")
    with pytest.raises(InputError, match="has no part 'head'"):
        fit(lightning, lightning_module(lightning), callback, inputs, tmp_path)


# -- Hugging Face ----------------------------------------------------------------------------------------------------
def tiny_bert(transformers: Any) -> Any:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16,
    )  # fmt: skip
    return transformers.BertForSequenceClassification(config)


def test_the_trainer_of_transformers_records_its_steps(transformers: Any, tmp_path: Path) -> None:
    from cl_viz.recording.huggingface_callback import HuggingFaceRecorder

    model = tiny_bert(transformers)
    ids = torch.randint(5, 40, (24, 8), generator=torch.Generator().manual_seed(0))
    probe = {"text": {"input_ids": ids, "attention_mask": torch.ones_like(ids)}}
    recorder = cl_viz.Recorder(tmp_path / "run", probe, every=2, batch_size=10, label=torch.arange(24) % 2)
    callback = HuggingFaceRecorder(recorder, lambda batch, view: model.bert(**batch).pooler_output)
    rows = [{"input_ids": row, "labels": int(place % 2)} for place, row in enumerate(ids)]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"), max_steps=4, per_device_train_batch_size=8, report_to=[], use_cpu=True,
        disable_tqdm=True, save_strategy="no", logging_steps=1,
    )  # fmt: skip
    transformers.Trainer(model=model, args=arguments, train_dataset=rows, callbacks=[callback]).train()
    run = cl_viz.open_run(tmp_path / "run")
    assert run.steps == (0, 2, 4)
    assert is_finished(tmp_path / "run")
    with torch.no_grad():
        expected = model.eval().bert(**probe["text"]).pooler_output
    assert np.allclose(run.get(4).views["text"], expected.numpy(), atol=1e-5)
    assert metrics_of(tmp_path / "run")[4]["loss"] > 0


def test_sentence_transformers_records_texts(transformers: Any, tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    datasets = pytest.importorskip("datasets")
    # The losses moved with version 6.
    losses = importlib.import_module(
        "sentence_transformers.sentence_transformer.losses"
        if importlib.util.find_spec("sentence_transformers.sentence_transformer")
        else "sentence_transformers.losses"
    )
    from cl_viz.recording.sentence_transformers_callback import SentenceTransformerRecorder

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{place}" for place in range(35))]
    tiny_bert(transformers).bert.save_pretrained(tmp_path / "bert")
    library = importlib.import_module("tokenizers")
    vocabulary = library.models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]")
    tokenizer = library.Tokenizer(vocabulary)
    tokenizer.pre_tokenizer = library.pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(tmp_path / "bert")
    model = sentence_transformers.SentenceTransformer(str(tmp_path / "bert"), device="cpu")
    questions = [f"word{place} word{place + 1}" for place in range(20)]
    answers = [f"word{place} word{place + 3}" for place in range(20)]
    recorder = cl_viz.Recorder(tmp_path / "run", {"question": questions, "answer": answers}, every=2, batch_size=7)
    arguments = sentence_transformers.SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "out"), max_steps=4, per_device_train_batch_size=5, report_to=[], use_cpu=True,
        disable_tqdm=True, save_strategy="no",
    )  # fmt: skip
    sentence_transformers.SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=datasets.Dataset.from_dict({"anchor": questions, "positive": answers}),
        loss=losses.MultipleNegativesRankingLoss(model),
        callbacks=[SentenceTransformerRecorder(recorder)],
    ).train()
    run = cl_viz.open_run(tmp_path / "run")
    assert run.steps == (0, 2, 4)
    assert run.get().view_names == ("question", "answer")
    assert np.allclose(run.get(4).views["answer"], model.encode(answers), atol=1e-5)
    assert len(np.unique(run.get(4).views["answer"].round(4), axis=0)) == len(answers)
    assert not np.allclose(run.get(0).views["answer"], run.get(4).views["answer"], atol=1e-5)


# -- what is missing -------------------------------------------------------------------------------------------------
@pytest.fixture
def without_frameworks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for library in ("lightning", "lightning.pytorch", "pytorch_lightning", "transformers", "sentence_transformers"):
        monkeypatch.setitem(sys.modules, library, None)
    loaded = [name for name in sys.modules if name.startswith("cl_viz.recording.") and name.endswith("_callback")]
    for name in loaded:
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in [name for name in sys.modules if name.startswith("cl_viz.recording.") and name.endswith("_callback")]:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("module", "library"),
    [
        ("lightning_callback", "lightning"),
        ("lightly_callback", "lightning"),
        ("huggingface_callback", "transformers"),
        ("sentence_transformers_callback", "sentence-transformers"),
    ],
)
def test_a_missing_framework_is_an_error_with_the_pip_line(module: str, library: str, without_frameworks: None) -> None:
    importlib.import_module("cl_viz.recording")
    with pytest.raises(MissingDependencyError) as caught:
        importlib.import_module(f"cl_viz.recording.{module}")
    assert f"pip install {library}" in str(caught.value)
