"""Numbers whose differences are shown and not judged, and numbers that only one way of judging is right for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

_OF_THE_FILE = "a count of what is in the file, which no sample is drawn for"
_LARGEST = "the largest or smallest of many, which resampling does not vary as new samples would"
_JUMPS = "a whole number, or a place on a grid: it jumps or stays"
_OF_SIZE = "it depends on how many negatives there are, and half the samples have half as many"


def _keys(diagnostic: str, names: str) -> Iterable[str]:
    return (f"{diagnostic}.{name}" for name in names.split())


UNJUDGED: Mapping[str, str] = MappingProxyType({
    key: reason
    for diagnostic, names, reason in (
        ("data_quality", "rows nan_rows infinite_rows zero_rows unusable_share duplicate_share classes smallest_class "
         "unlabelled_share", _OF_THE_FILE),
        ("intrinsic_dimension", "repeated_share", _OF_THE_FILE),
        ("score_distribution", "false_negative_share", _OF_THE_FILE),
        ("hubness", "largest", _LARGEST),
        ("class_cosines", "closest least_separation", _LARGEST),
        ("spectrum", "largest_drop", _LARGEST),
        ("spectrum", "above_floor before_cliff", _JUMPS),
        ("dimension_ranks", "numerical_rank", _JUMPS),
        ("intrinsic_dimension", "fukunaga_olsen", _JUMPS),
        ("cross_view_retrieval", "median_rank_there median_rank_back", _JUMPS),
        ("modality_gap", "lowest_loss_shift", _JUMPS),
        ("suggested_temperature", "low high for_negatives for_labels for_signal for_hardness", _JUMPS),
        ("individual_temperatures", "at_smallest at_largest", _JUMPS),
        ("individual_temperatures", "log_negatives", _OF_SIZE),
        ("hardness", "hardest_share positive_slope", _OF_SIZE),
        ("batch_size", "multiplier_of_all variation_of_all", _OF_SIZE),
        ("negative_reweighting", "clamped_share", _OF_SIZE),
        ("label_retrieval", "true_recall", _OF_SIZE),
        ("adaptive_temperature", "coupling", _OF_SIZE),
    )
    for key in _keys(diagnostic, names)
})  # fmt: skip
"""``diagnostic.quantity`` to why no interval of a difference is defended."""

GROWING_WITH_N = frozenset({
    "class_separation.calinski_harabasz", "hardness.effective_negatives", "hardness.effective_sample_size",
    "negative_reweighting.weights_sample_size",
})  # fmt: skip
"""Numbers in proportion to how many samples there are: of half the samples they are doubled."""

ONLY_BY_INFLUENCES = frozenset({
    *_keys("cross_view_retrieval", "recall_at_1_there recall_at_5_there recall_at_10_there recall_at_1_back "
           "recall_at_5_back recall_at_10_back"),
    *_keys("modality_gap", "recall_at_1_there_before recall_at_1_there_after recall_at_1_back_before "
           "recall_at_1_back_after"),
})  # fmt: skip
"""Rates among a gallery: half the gallery is another question."""

NOT_BY_INFLUENCES = MappingProxyType({
    "label_retrieval": "each sample also stands among the neighbours of others, which its interval leaves out; resample"
})  # fmt: skip
"""Diagnostics whose intervals are of single runs: of a difference they would mark too many."""
