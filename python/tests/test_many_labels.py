"""Labels are checked eight at a time: a bad or an ignored one counts wherever it stands."""

from __future__ import annotations

import numpy as np
import pytest

import crossentropy as ce

CLASSES = 5
COUNTS = [15, 16, 17, 23, 24, 40]


@pytest.mark.parametrize("dtype", [np.int64, np.int32])
@pytest.mark.parametrize("bad", ["first beyond", "largest", "negative", "smallest"])
def test_a_label_that_is_no_class_is_refused_at_every_place(dtype: type, bad: str) -> None:
    limits = np.iinfo(dtype)
    value = {"first beyond": CLASSES, "largest": limits.max, "negative": -1, "smallest": limits.min}[bad]
    for count in COUNTS:
        for place in range(count):
            labels = np.full(count, CLASSES - 1, dtype)
            labels[place] = value
            with pytest.raises(ce.LabelError):
                ce.cross_entropy(np.zeros((count, CLASSES), np.float32), labels)


@pytest.mark.parametrize("dtype", [np.int64, np.int32])
@pytest.mark.parametrize("ignored", [-100, 0, CLASSES - 1])
def test_an_ignored_label_is_left_out_of_the_mean_at_every_place(dtype: type, ignored: int) -> None:
    for count in COUNTS:
        for place in range(count):
            x = np.zeros((count, CLASSES), np.float32)
            x[place] = 3, 1, 4, 1, 5
            labels = np.full(count, 1, dtype)
            labels[place] = ignored
            loss = ce.cross_entropy(x, labels, ignore_index=ignored)
            np.testing.assert_allclose(loss, np.log(CLASSES), rtol=1e-6)
