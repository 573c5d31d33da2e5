"""The mistakes that newcomers make, each with the text that it gets: it names what was passed and what would help, in
the names of the function that was called.

Probabilities that are passed as logits get none: any numbers are logits, also such as add up to 1. Their loss is that
of a softmax of them, and ``input_type="probs"`` is what was meant.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crossentropy as ce
from crossentropy._c_api.header import BFLOAT16_BITS

X = np.array([[0.5, -1.0, 2.0], [0.0, 1.0, -1.0], [1.5, 0.5, 0.0], [-0.5, 0.0, 0.5]])
LABELS = np.array([0, 1, 2, 1])
P = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.25, 0.25, 0.5], [0.25, 0.5, 0.25]])


class Series:
    """What pandas has: an array of its own, given away by `__array__`."""

    def __init__(self, values: list[Any]) -> None:
        self.dtype = np.asarray(values).dtype
        self.values = np.asarray(values)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.values


class Tensor:
    """What torch has, where it requires a gradient."""

    requires_grad = True

    def __dlpack__(self, **options: Any) -> Any:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


MISTAKES: list[tuple[str, Any, type[Exception], str]] = [
    (
        "float labels, as a CSV file gives them",
        lambda: ce.cross_entropy(X, LABELS.astype(float)),
        ce.ArgumentValueError,
        "target has shape [4], but x has shape [4, 3]. float64 makes it distributions; labels are integers: "
        "target.astype(int)",
    ),
    (
        "one-hot labels as integers",
        lambda: ce.cross_entropy(X, np.eye(3, dtype=int)[LABELS]),
        ce.ArgumentValueError,
        "target has shape [4, 3], but x without its class axis has shape [4]. If it is one-hot: target.argmax(1) "
        "are labels, target.astype(float) distributions",
    ),
    (
        "a column of labels",
        lambda: ce.cross_entropy(X, LABELS[:, None]),
        ce.ArgumentValueError,
        "target has shape [4, 1], but x without its class axis has shape [4]: target.squeeze(-1) drops the "
        "dimension of length 1",
    ),
    (
        "images, channels first",
        lambda: ce.cross_entropy(np.zeros((2, 3, 4, 5)), np.zeros((2, 4, 5), int)),
        ce.ArgumentValueError,
        "target has shape [2, 4, 5], but x without its class axis has shape [2, 3, 4]. If dimension 1 of x holds "
        "the classes, pass axis=1",
    ),
    (
        "labels counted from 1",
        lambda: ce.cross_entropy(X, LABELS + 1),
        ce.LabelError,
        "label 3 in row 2 is out of range: there are 3 classes (labels 0 to 2). The lowest here is 1, but labels "
        "count from 0: target - 1",
    ),
    (
        "padding labels of -1",
        lambda: ce.cross_entropy(X, [0, 1, -1, 2]),
        ce.LabelError,
        "label -1 in row 2 is out of range: there are 3 classes (labels 0 to 2); ignore_index=-1 leaves out the "
        "rows of label -1",
    ),
    (
        "names as labels",
        lambda: ce.cross_entropy(X, ["cat", "dog", "cat", "cow"]),
        ce.ArgumentTypeError,
        "target has dtype <U3, but must be integers (labels), or float32, float64, float16 or bfloat16 "
        "(distributions): number the names, classes, target = numpy.unique(target, return_inverse=True)",
    ),
    (
        "a pandas Series with missing labels, which makes it float64",
        lambda: ce.cross_entropy(X, Series([0.0, 1.0, np.nan, 2.0])),
        ce.ArgumentValueError,
        "target has shape [4], but x has shape [4, 3]. float64 makes it distributions; labels are integers: "
        "numpy.nan_to_num(target, nan=-100).astype(int), and ignore_index=-100 leaves out what was NaN",
    ),
    (
        "a pandas Series of objects with missing labels",
        lambda: ce.cross_entropy(X, Series([0, 1, None, 2])),
        ce.ArgumentTypeError,
        "target has dtype object, but must be integers (labels), or float32, float64, float16 or bfloat16 "
        "(distributions). It has missing values: put -100 there, which ignore_index leaves out, and pass "
        "target.astype(int)",
    ),
    (
        "one row of logits for several labels",
        lambda: ce.cross_entropy(X[0], [0, 1, 1]),
        ce.ArgumentValueError,
        "target has shape [3], but x without its class axis has shape []. x of one dimension is one row; "
        "binary_cross_entropy takes a number for each label",
    ),
    (
        "labels and predictions swapped",
        lambda: ce.cross_entropy(LABELS, X),
        ce.ArgumentTypeError,
        "x has dtype int64, but must be float32, float64, float16 or bfloat16 (predictions must be floating "
        "point): x.astype(float). x comes first, target second: they may be swapped",
    ),
    (
        "predictions of integers",
        lambda: ce.cross_entropy([[3, 1, 2]], [0]),
        ce.ArgumentTypeError,
        "x has dtype int64, but must be float32, float64, float16 or bfloat16 (predictions must be floating "
        "point): x.astype(float)",
    ),
    (
        "rows of unequal lengths",
        lambda: ce.cross_entropy([[1.0, 2.0, 3.0], [1.0, 2.0]], [0, 1]),
        ce.ArgumentValueError,
        "x is a sequence of rows of the lengths 2 and 3, but all must have the same: fill up the shorter ones with "
        "-inf, which makes a class impossible",
    ),
    (
        "a tensor that requires a gradient",
        lambda: ce.cross_entropy(Tensor(), LABELS),
        ce.ArgumentTypeError,
        "x, a Tensor, gives no access to its memory: Can't export tensors that require gradient, use "
        "tensor.detach(). Pass x.detach(); or call the function of crossentropy.torch, which autograd "
        "differentiates",
    ),
    (
        "weights of rows as weight",
        lambda: ce.cross_entropy(X, LABELS, weight=np.ones(4)),
        ce.ArgumentValueError,
        "weight has shape [4], but there are 3 classes; weights of the rows are sample_weight",
    ),
    (
        "weights of classes as a dict",
        lambda: ce.cross_entropy(X, LABELS, weight={0: 1.0, 1: 2.0, 2: 1.0}),
        ce.ArgumentTypeError,
        "weight has dtype object, but must be float32, float64, float16, bfloat16, integers or booleans: it is a dict; "
        "numpy.array([weight[c] for c in range(C)]) is an array",
    ),
    (
        "an out that has the shape of the rows",
        lambda: ce.cross_entropy(X, LABELS, out=np.zeros(4)),
        ce.ArgumentValueError,
        'out has shape [4], but a mean or sum is one number; reduction="none" gives a number for each row',
    ),
    (
        "dim, of torch",
        lambda: ce.cross_entropy(X, LABELS, dim=1),
        ce.ArgumentTypeError,
        "cross_entropy() got an unexpected keyword argument 'dim': did you mean axis, the dimension of x that "
        "holds the classes?",
    ),
    (
        "from_logits, of Keras",
        lambda: ce.cross_entropy(P, LABELS, from_logits=False),
        ce.ArgumentTypeError,
        "cross_entropy() got an unexpected keyword argument 'from_logits': did you mean input_type, whose "
        '"logits" is from_logits=True, and "probs" from_logits=False?',
    ),
    (
        "where, of optax",
        lambda: ce.cross_entropy(X, LABELS, where=LABELS > 0),
        ce.ArgumentTypeError,
        "cross_entropy() got an unexpected keyword argument 'where': did you mean mask, True for rows that count?",
    ),
    (
        "class_weight, of Keras and scikit-learn",
        lambda: ce.cross_entropy(X, LABELS, class_weight=[1.0, 2.0, 1.0]),
        ce.ArgumentTypeError,
        "cross_entropy() got an unexpected keyword argument 'class_weight': did you mean weight, an array with a "
        "number for each class?",
    ),
    (
        "size_average, of torch",
        lambda: ce.cross_entropy(X, LABELS, size_average=False),
        ce.ArgumentTypeError,
        "cross_entropy() got an unexpected keyword argument 'size_average': did you mean reduction, one of "
        '"mean", "sum" and "none"?',
    ),
    (
        "logits and labels, of TensorFlow and optax",
        lambda: ce.cross_entropy(logits=X, labels=LABELS),
        ce.ArgumentTypeError,
        "cross_entropy() got an unexpected keyword argument 'logits': did you mean x, the first argument?",
    ),
    (
        "labels alone by name",
        lambda: ce.cross_entropy(X, labels=LABELS),
        ce.ArgumentTypeError,
        "cross_entropy() got an unexpected keyword argument 'labels': did you mean target, the second argument: "
        "labels or distributions?",
    ),
    (
        "gamma, of focal losses",
        lambda: ce.binary_cross_entropy(X, P, gamma=2.0),
        ce.ArgumentTypeError,
        "binary_cross_entropy() got an unexpected keyword argument 'gamma': did you mean focal_gamma, the exponent "
        "of the focal loss?",
    ),
    (
        "an option of another function",
        lambda: ce.nll_loss(np.log(P), LABELS, z_loss=1e-4),
        ce.ArgumentTypeError,
        "nll_loss() got an unexpected keyword argument 'z_loss', which cross_entropy() has",
    ),
    (
        "no target",
        lambda: ce.cross_entropy(X),
        ce.ArgumentTypeError,
        "missing the required argument 'target'",
    ),
    (
        '"batchmean", of torch',
        lambda: ce.kl_divergence(X, P, reduction="batchmean"),
        ce.ArgumentValueError,
        'reduction is "batchmean", but must be one of "mean", "sum", "none". The "batchmean" of torch is "mean" '
        "here: the sum divided by the number of rows",
    ),
    (
        "None for no reduction",
        lambda: ce.cross_entropy(X, LABELS, reduction=None),
        ce.ArgumentTypeError,
        'reduction must be one of "mean", "sum", "none", not NoneType: "none" is a string',
    ),
    (
        '"none" for no ignored label',
        lambda: ce.cross_entropy(X, LABELS, ignore_index="none"),
        ce.ArgumentTypeError,
        'ignore_index must be an integer, several or None, not str: "none" in quotes is a string',
    ),
    (
        "labels for a divergence",
        lambda: ce.kl_divergence(X, LABELS),
        ce.ArgumentTypeError,
        "target holds labels, of which the KL divergence is the cross-entropy: compute that with cross_entropy",
    ),
    (
        "log_target, of torch",
        lambda: ce.kl_divergence(X, np.log(P), log_target=True),
        ce.ArgumentTypeError,
        "kl_divergence() got an unexpected keyword argument 'log_target': did you mean target_type, whose "
        '"log_probs" is log_target=True?',
    ),
    (
        "binary labels of -1 and 1",
        lambda: ce.binary_cross_entropy(X[:, 0], [1, -1, 1, -1]),
        ce.LabelError,
        "label -1 in element 1 is neither 0 nor 1: (target + 1) // 2 has labels of 0 and 1",
    ),
    (
        "a column of binary logits",
        lambda: ce.binary_cross_entropy(X[:, :1], [0, 1, 1, 0]),
        ce.ArgumentValueError,
        "target has shape [4], but x has shape [4, 1]: x.squeeze(-1) drops the dimension of length 1",
    ),
]

# No errors, as the numbers are computed as they are: warnings, where the loss is negative or NaN.
SUSPICIONS: list[tuple[str, Any, str]] = [
    (
        "percentages as probabilities",
        lambda: ce.cross_entropy(100 * P, LABELS, input_type="probs"),
        "x holds 75, but probabilities are at most 1: divide percentages by 100",
    ),
    (
        "logits as probabilities",
        lambda: ce.cross_entropy(X, [1, 2, 0, 0], input_type="probs"),
        'x holds -1, but probabilities are at least 0: input_type="logits" or "log_probs"',
    ),
    (
        "probabilities as their logarithms",
        lambda: ce.nll_loss(P, LABELS),
        "log_probs holds 0.75, but logarithms of probabilities are at most 0: cross_entropy takes logits",
    ),
    (
        "logarithms of probabilities as a target",
        lambda: ce.kl_divergence(X, np.log(P)),
        'target holds -2.079, but probabilities are at least 0: target_type="log_probs" or "logits"',
    ),
]


@pytest.mark.parametrize(("mistake", "call", "error", "text"), MISTAKES, ids=[each[0] for each in MISTAKES])
def test_text_of_a_mistake(mistake: str, call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text


@pytest.mark.parametrize(("mistake", "call", "text"), SUSPICIONS, ids=[each[0] for each in SUSPICIONS])
def test_text_of_a_suspicion(mistake: str, call: Any, text: str) -> None:
    with pytest.warns(UserWarning, match="holds") as caught:
        loss = call()
    assert not loss >= 0
    assert [str(each.message) for each in caught] == [text]
    assert caught[0].filename == __file__


@pytest.mark.parametrize("options", [{"reduction": "none"}, {"label_smoothing": 0.1}, {"poly_epsilon": -30.0}])
def test_right_calls_are_not_suspected(options: dict[str, Any], recwarn: pytest.WarningsRecorder) -> None:
    ce.cross_entropy(X, LABELS, **options)
    ce.cross_entropy(X, P - 1.0)
    ce.cross_entropy(P, LABELS, input_type="probs")
    ce.cross_entropy(P * (1 + 1e-7), LABELS, input_type="probs", reduction="sum")
    ce.cross_entropy(np.full_like(P, np.nan), LABELS, input_type="probs")
    assert not recwarn.list
    # The gradient has taken the place of x, in which nothing can be looked up any more.
    x = 100 * P
    ce.cross_entropy_with_grad(x, LABELS, input_type="probs", grad=x)
    assert not recwarn.list


def test_distributions_without_rows_are_no_labels_of_another_axis() -> None:
    for dtype in (np.float16, BFLOAT16_BITS):
        with pytest.raises(ce.ArgumentValueError, match=r"^target has shape \[3\], but x has shape \[4, 3\]$"):
            ce.cross_entropy(X, np.array([0.5, 0.25, 0.25], np.float16).view(dtype))


def test_the_names_of_other_functions_are_theirs() -> None:
    with pytest.raises(ce.ArgumentValueError, match=r"dimension 1 of log_probs holds the classes, pass axis=1$"):
        ce.nll_loss(np.zeros((2, 3, 4)), np.zeros((2, 4), int))
    with pytest.raises(ce.ArgumentTypeError, match=r"did you mean log_probs, the first argument\?$"):
        ce.nll_loss(input=X, target=LABELS)
    with pytest.raises(ce.ArgumentValueError, match=r'; reduction="none" gives a number for each element$'):
        ce.binary_cross_entropy(X, P, out=np.zeros((4, 3)))
    with pytest.raises(ce.LabelError, match=r"The lowest here is 1, but labels count from 0: target - 1$") as caught:
        ce.hessian_diagonal(X, LABELS + 1)
    assert (caught.value.row, caught.value.label, caught.value.classes) == (2, 3, 3)
    with pytest.raises(ce.ArgumentValueError, match=r"target\.squeeze\(-1\) drops the dimension of length 1$"):
        ce.row_stats(X, LABELS[:, None])
    with pytest.raises(ce.ArgumentTypeError, match=r"logit_scale, the inverse of a temperature\?$"):
        ce.softmax(X, T=2.0)
    with pytest.raises(ce.ArgumentTypeError, match=r"^loss\(\) got an unexpected .* weight, an array with a number"):
        ce.partial_statistics(X, LABELS).loss(class_weight=[1.0, 1.0, 1.0])
    with pytest.raises(ce.ArgumentTypeError, match=r"keyword argument 'labelsmoothing': did you mean label_"):
        ce.cross_entropy(X, LABELS, labelsmoothing=0.1)
