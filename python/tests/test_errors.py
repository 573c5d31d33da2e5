"""Every wrong call: which exception, what its text says, and that nothing was written."""

from __future__ import annotations

import array
import enum
import pickle
import re
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import crossentropy as ce

ROWS, CLASSES = 4, 5


def wrong_call(**changes: Any) -> tuple[Any, dict[str, Any]]:
    """A call that is right but for the changes, and the outputs that it must not touch."""
    arguments: dict[str, Any] = {
        "x": np.linspace(-1, 1, ROWS * CLASSES).reshape(ROWS, CLASSES),
        "target": np.arange(ROWS),
        "out": np.full((), 7.0),
        "grad": np.full((ROWS, CLASSES), 7.0),
    }
    arguments.update(changes)
    return arguments.pop("x"), arguments


def check(error: type[Exception], *texts: str, **changes: Any) -> None:
    x, arguments = wrong_call(**changes)
    arrays = [x, *(each for each in arguments.values() if isinstance(each, np.ndarray))]
    before = [array.tobytes() for array in arrays if isinstance(array, np.ndarray)]
    with pytest.raises(error) as caught:
        ce.cross_entropy_with_grad(x, **arguments)
    assert isinstance(caught.value, ce.CrossEntropyError)
    for text in texts:
        assert text in str(caught.value)
    assert [array.tobytes() for array in arrays if isinstance(array, np.ndarray)] == before


@pytest.mark.parametrize(
    "dtype",
    ["longdouble", "int64", "uint8", "bool", "complex64", "object", "U1", "M8[s]", ml_dtypes.float8_e5m2, "V2"],
)
def test_dtype_of_x(dtype: Any) -> None:
    x = np.zeros((ROWS, CLASSES), dtype)
    check(TypeError, "x has dtype", str(x.dtype), "float32, float64, float16 or bfloat16", x=x, grad=None)


def test_x_of_integers_is_told_why() -> None:
    check(TypeError, "predictions must be floating point", x=[[1, 2, 3]], target=[0])


@pytest.mark.parametrize("dtype", ["longdouble", "bool", "complex128", "object", "U1"])
def test_dtype_of_target(dtype: str) -> None:
    target = np.zeros(ROWS, dtype)
    check(TypeError, "target has dtype", str(target.dtype), "integers", "float32", target=target)


@pytest.mark.parametrize("name", ["weight", "sample_weight"])
@pytest.mark.parametrize("dtype", ["longdouble", "complex64", "object", "U1", "M8[s]", ml_dtypes.float8_e5m2])
def test_dtype_of_weights(name: str, dtype: Any) -> None:
    length = CLASSES if name == "weight" else ROWS
    weights = np.zeros(length, dtype)
    check(TypeError, f"{name} has dtype", str(weights.dtype), "float64", "integers or booleans", **{name: weights})


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64", "object"])
def test_dtype_of_outputs(dtype: str) -> None:
    check(TypeError, "out has dtype", dtype, "float32", out=np.zeros((), dtype))
    grad = np.zeros((ROWS, CLASSES), dtype)
    check(TypeError, "grad has dtype", dtype, "float64", grad=grad)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("dtype_of_x", ["float64", "float32", "same"])
def test_a_loss_does_not_have_16_bits(dtype: Any, dtype_of_x: str) -> None:
    x = np.zeros((ROWS, CLASSES), dtype if dtype_of_x == "same" else dtype_of_x)
    texts = f"out has dtype {np.dtype(dtype)}", "float32", "16 bits are for inputs and gradients"
    check(TypeError, *texts, x=x, grad=None, out=np.ones((), dtype))
    check(ValueError, "target has shape [4], but x has shape [4, 5]", x=x, grad=None, target=np.ones(ROWS, dtype))


@pytest.mark.parametrize("dtype_of_x", ["float64", "float32", "float16", ml_dtypes.bfloat16])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", ml_dtypes.bfloat16])
def test_gradient_has_the_dtype_of_x(dtype_of_x: Any, dtype: Any) -> None:
    x, grad = np.zeros((ROWS, CLASSES), dtype_of_x), np.zeros((ROWS, CLASSES), dtype)
    if dtype == dtype_of_x or (x.itemsize == 2 and dtype == "float32"):
        assert ce.cross_entropy_with_grad(x, np.arange(ROWS), grad=grad)[1] is grad
        assert grad.any()
    else:
        check(TypeError, "grad", "dtype", "f32" if x.itemsize == 2 else "", x=x, grad=grad)


@pytest.mark.parametrize("value", [[[0.0] * CLASSES] * ROWS, 3.0, "grad", memoryview(bytes(8))])
def test_outputs_are_arrays(value: Any) -> None:
    accepted = "must be a NumPy array or have __dlpack__ or __array_interface__, not"
    check(TypeError, f"grad {accepted} {type(value).__name__}", grad=value)
    check(TypeError, f"out {accepted} {type(value).__name__}", out=value)


def test_masked_arrays_would_lose_their_mask() -> None:
    x = np.ma.masked_invalid(np.zeros((ROWS, CLASSES)))
    check(TypeError, "x is a masked array", "sample_weight", x=x)
    check(TypeError, "target is a masked array", target=np.ma.array(np.arange(ROWS)))
    check(TypeError, "grad must be a NumPy array", "not MaskedArray", grad=x)


def test_swapped_bytes() -> None:
    x, _ = wrong_call()
    swapped = x.astype(x.dtype.newbyteorder())
    check(TypeError, "x", "bytes are swapped", "x.astype", x=swapped)
    check(TypeError, "target", "bytes are swapped", target=swapped)
    check(TypeError, "grad", "bytes are swapped", grad=swapped)
    check(TypeError, "x", "bytes are swapped", x=x.astype(">f2"), grad=None)


def test_strides_that_are_no_whole_items() -> None:
    records = np.zeros((ROWS, CLASSES), [("value", "f8"), ("flag", "i1")])
    field = records["value"]
    for name in ("x", "grad"):
        check(ValueError, f"{name} has strides", "multiples", "ascontiguousarray", **{name: field})
    check(ValueError, "target has strides", target=field)


def test_read_only_outputs() -> None:
    x, arguments = wrong_call()
    for name in ("out", "grad"):
        arguments[name].flags.writeable = False
        check(ValueError, f"{name} is read-only", **{name: arguments[name]})
    x.flags.writeable = False
    check(ValueError, "grad is read-only", x=x, grad=x)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("target", (ROWS - 1,)),
        ("target", (ROWS, 1)),
        ("target", ()),
        ("weight", (CLASSES + 1,)),
        ("weight", (1, CLASSES)),
        ("sample_weight", (ROWS + 1,)),
        ("sample_weight", (ROWS, 1)),
        ("out", (2,)),
        ("out", (0,)),
        ("grad", (CLASSES, ROWS)),
        ("grad", (ROWS * CLASSES,)),
    ],
)
def test_shapes(name: str, shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, np.int64 if name == "target" else np.float64)
    check(ValueError, f"{name} has shape", **{name: array})


def test_shape_of_a_loss_per_row() -> None:
    text = "out has shape [5], but x without its class axis has shape [4]"
    check(ValueError, text, reduction="none", out=np.zeros(ROWS + 1))
    check(ValueError, "out has shape []", reduction="none", out=np.zeros(()))


def test_shape_of_a_distribution() -> None:
    check(ValueError, "target", "shape", target=np.ones((CLASSES, ROWS)))
    check(ValueError, "target", "shape", target=np.ones(ROWS))


def test_x_needs_classes() -> None:
    check(ValueError, "x has no dimension", x=np.float64(1), target=0, grad=None)
    check(ValueError, "class", x=np.zeros((ROWS, 0)), grad=np.zeros((ROWS, 0)))
    check(ValueError, "class", x=np.zeros((0, 0)), target=[], grad=np.zeros((0, 0)))


@pytest.mark.parametrize("axis", [2, -3, 10**30])
def test_axis_out_of_range(axis: int) -> None:
    check(ValueError, f"axis {axis} is out of range", "2 dimensions (-2 to 1)", axis=axis)


@pytest.mark.parametrize("axis", [1.0, "1", None, (0, 1)])
def test_axis_is_an_integer(axis: Any) -> None:
    check(TypeError, "axis must be an integer, not", type(axis).__name__, axis=axis)


@pytest.mark.parametrize(
    ("option", "value", "nearest"),
    [
        ("input_type", "logit", "logits"),
        ("input_type", "log_prob", "log_probs"),
        ("input_type", "Probs", "probs"),
        ("reduction", "avg_mean", "mean"),
        ("reduction", "NONE", "none"),
        ("mean_over", "weights", "weight"),
        ("mean_over", "counts", "count"),
        ("empty", "zeros", "zero"),
    ],
)
def test_unknown_names(option: str, value: str, nearest: str) -> None:
    accepted = {
        "input_type": '"logits", "probs", "log_probs"',
        "reduction": '"mean", "sum", "none"',
        "mean_over": '"weight", "mass", "count" or a number',
        "empty": '"nan", "zero", "error"',
    }
    texts = f'{option} is "{value}"', accepted[option], f'Did you mean "{nearest}"?'
    check(ValueError, *texts, **{option: value})


def test_unknown_names_that_resemble_nothing() -> None:
    x, arguments = wrong_call(reduction="xyzzy")
    with pytest.raises(ValueError, match=r'must be one of "mean", "sum", "none"$'):
        ce.cross_entropy_with_grad(x, **arguments)


class Name(str, enum.Enum):
    """An enumeration whose members are strings, but have another hash than these."""

    SUM = "sum"
    MASS = "mass"
    PROBS = "probs"
    ERROR = "error"
    SPREAD = "spread"
    PLAIN = "plain"


@pytest.mark.parametrize("kind", [np.str_, Name], ids=["numpy", "enum"])
def test_names_may_be_any_kind_of_string(kind: Any) -> None:
    x, q = np.array([[0.1, 0.9]]), np.array([[0.25, 0.5]])
    names = {"reduction": "sum", "mean_over": "mass", "input_type": "probs", "empty": "error", "target_type": "probs"}
    for option, value in names.items():
        assert ce.cross_entropy(x, q, **{option: kind(value)}) == ce.cross_entropy(x, q, **{option: value})
    assert ce.kl_divergence(x, q, form=kind("plain")) == ce.kl_divergence(x, q, form="plain")
    target = ce.SparseTarget([[1]], [[0.5]], rest=kind("spread"))
    assert ce.cross_entropy(x, target) == ce.cross_entropy(x, ce.SparseTarget([[1]], [[0.5]], rest="spread"))
    assert repr(target).endswith("rest='spread')")


@pytest.mark.parametrize("option", ["input_type", "reduction", "empty"])
@pytest.mark.parametrize("value", [None, 1, b"mean", ["mean"]])
def test_names_are_strings(option: str, value: Any) -> None:
    check(TypeError, f"{option} must be one of", type(value).__name__, **{option: value})


NUMBERS = [
    "label_smoothing", "clip", "z_loss", "softcap", "logit_scale", "focal_gamma", "poly_epsilon", "temperature",
    "grad_loss",
]  # fmt: skip


@pytest.mark.parametrize("option", [*NUMBERS, "mean_over"])
@pytest.mark.parametrize("value", [None, b"1", 1j, [1.0], np.ones(1), np.ones(2)], ids=repr)
def test_numbers_are_numbers(option: str, value: Any) -> None:
    if (option == "grad_loss" and isinstance(value, (list, np.ndarray))) or (option == "softcap" and value is None):
        pytest.skip("accepted")
    check(TypeError, f"{option} must be a number, not", type(value).__name__, **{option: value})


@pytest.mark.parametrize("value", [np.float32(1), np.array(1.0), np.int8(1)], ids=repr)
def test_numbers_may_be_numpys(value: Any) -> None:
    x, arguments = wrong_call(out=None, grad=None)
    for option in ["z_loss", "softcap", "logit_scale", "focal_gamma", "poly_epsilon", "temperature", "mean_over"]:
        got, want = (ce.cross_entropy_with_grad(x, **arguments, **{option: each}) for each in (value, 1.0))
        assert got[0] == want[0]
        assert np.array_equal(got[1], want[1])


@pytest.mark.parametrize("option", ["temperature_squared", "row_stats"])
@pytest.mark.parametrize("value", [np.array([True, False]), np.array([True]), "no", None, 0.0], ids=repr)
def test_flags_are_true_or_false(option: str, value: Any) -> None:
    check(TypeError, f"{option} must be True or False, not", type(value).__name__, **{option: value})


@pytest.mark.parametrize("option", ["input_type", "target_type", "reduction", "mean_over", "empty"])
def test_arrays_are_no_names(option: str) -> None:
    check(TypeError, f"{option} must be ", "not ndarray", **{option: np.array(["probs", "mean"])})
    with pytest.raises(ce.ArgumentTypeError, match="form must be one of"):
        ce.kl_divergence([[0.0]], [[1.0]], form=np.array(["plain", "plain"]))  # type: ignore[arg-type]


@pytest.mark.parametrize("option", NUMBERS)
def test_text_is_no_number(option: str) -> None:
    check(TypeError, f"{option} must be a number, not str", **{option: "0.1"})
    check(ValueError, f"{option} is too large", **{option: 10**400})


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
def test_smoothing_out_of_range(value: float) -> None:
    check(ValueError, "label_smoothing", label_smoothing=value)


@pytest.mark.parametrize("value", [-1e-9, 0.5, float("nan"), float("inf")])
def test_clip_out_of_range(value: float) -> None:
    check(ValueError, "clip", clip=value, input_type="probs")


@pytest.mark.parametrize("input_type", ["logits", "log_probs"])
def test_clip_is_for_probabilities(input_type: str) -> None:
    check(ValueError, "clip", clip=0.1, input_type=input_type)


@pytest.mark.parametrize("value", [0, -1.5, float("nan"), float("inf")])
def test_divisor_out_of_range(value: float) -> None:
    check(ValueError, f"mean_over is {float(value)}", "above 0", mean_over=value)


@pytest.mark.parametrize("value", [2**63, -(2**63), 2**64])
def test_ignore_index_out_of_range(value: int) -> None:
    check(ValueError, f"ignore_index is {value}", "None", ignore_index=value)


@pytest.mark.parametrize("value", [1.5, "0", [1.5]])
def test_ignore_index_is_an_integer(value: Any) -> None:
    wrong = value[0] if isinstance(value, list) else value
    check(TypeError, "ignore_index must be an integer", type(wrong).__name__, ignore_index=value)


@pytest.mark.parametrize("value", [0, -1])
def test_thread_counts_out_of_range(value: int) -> None:
    check(ValueError, f"threads is {value}", "1 or more", threads=value)
    threads = ce.get_num_threads()
    with pytest.raises(ValueError, match=f"count is {value}, but must be 1 or more"):
        ce.set_num_threads(value)
    assert ce.get_num_threads() == threads


@pytest.mark.parametrize("value", [1.5, "2"])
def test_thread_counts_are_integers(value: Any) -> None:
    check(TypeError, "threads must be an integer", type(value).__name__, threads=value)
    with pytest.raises(TypeError, match="count must be an integer"):
        ce.set_num_threads(value)


@pytest.mark.parametrize("label", [CLASSES, -1, -100, 2**62, -(2**62)])
def test_label_out_of_range(label: int) -> None:
    target = np.array([0, 1, label, 77])
    ignored = None if label == -100 else -100
    x, arguments = wrong_call(target=target, ignore_index=ignored)
    with pytest.raises(IndexError) as caught:
        ce.cross_entropy_with_grad(x, **arguments)
    error = caught.value
    assert isinstance(error, ce.LabelError)
    assert (error.row, error.label, error.classes) == (2, label, CLASSES)
    text = f"label {label} in row 2 is out of range: there are 5 classes (labels 0 to 4)"
    assert text in str(error)
    assert (arguments["out"] == 7).all()
    assert (arguments["grad"] == 7).all()
    again = pickle.loads(pickle.dumps(error))  # as it travels between processes
    assert (str(again), again.row) == (str(error), 2)


def test_label_of_one_class() -> None:
    with pytest.raises(ce.LabelError) as caught:
        ce.cross_entropy([[0.0]], [1])
    assert (caught.value.row, caught.value.label, caught.value.classes) == (0, 1, 1)


def test_nothing_counts() -> None:
    check(ce.EmptyError, target=np.full(ROWS, -100), empty="error")
    check(ValueError, sample_weight=np.zeros(ROWS), empty="error")


def test_overlap() -> None:
    memory = np.linspace(0, 1, 3 * ROWS * CLASSES)
    first = memory[: ROWS * CLASSES].reshape(ROWS, CLASSES)
    shifted = memory[1 : ROWS * CLASSES + 1].reshape(ROWS, CLASSES)
    check(ValueError, "grad", "overlap", x=first, grad=shifted)
    check(ValueError, "grad", "overlap", x=first, grad=first[::-1])
    check(ValueError, "out overlaps x", x=first, out=memory[3:4])
    check(ValueError, "overlap", grad=first, out=memory[3:4])
    check(ValueError, "grad", "overlap", target=abs(first), weight=memory[:CLASSES], grad=first)
    check(ValueError, "grad", "overlap", target=first, grad=first)
    check(ValueError, "overlap", reduction="none", out=memory[:ROWS], sample_weight=memory[:ROWS])
    with_itself = np.lib.stride_tricks.as_strided(memory, (ROWS, CLASSES), (8, 8))
    check(ValueError, "grad", "overlap", grad=with_itself)


def test_no_overlap_of_views_that_interleave() -> None:
    memory = np.linspace(0, 1, ROWS * (2 * CLASSES + 1))
    both = memory[: ROWS * 2 * CLASSES].reshape(ROWS, 2 * CLASSES)
    left, right = both[:, :CLASSES], both[:, CLASSES:]
    labels = np.arange(ROWS)
    loss, grad = ce.cross_entropy_with_grad(left.copy(), labels)
    assert ce.cross_entropy_with_grad(left, labels, grad=right)[0] == loss
    assert (right == grad).all()
    check(ValueError, "grad", "overlap", x=left, grad=both[:, CLASSES - 1 : -1])

    padded = memory[: ROWS * (CLASSES + 1)].reshape(ROWS, CLASSES + 1)
    expected = ce.cross_entropy(padded[:, :-1].copy(), labels, reduction="none")
    ce.cross_entropy(padded[:, :-1], labels, reduction="none", out=padded[:, -1])
    assert (padded[:, -1] == expected).all()
    check(ValueError, "out overlaps x", x=padded, reduction="none", out=padded[:, -1], grad=None)


def test_ragged_lists() -> None:
    with pytest.raises(ValueError, match=r"inhomogeneous|sequence"):
        ce.cross_entropy([[1.0, 2.0], [3.0]], [0, 0])


def test_options_are_keywords() -> None:
    with pytest.raises(TypeError):
        ce.cross_entropy([[0.0]], [0], -1)  # type: ignore[misc]
    with pytest.raises(TypeError):
        ce.nll_loss([[0.0]], [0], clip=0.1)  # type: ignore[call-arg]


def test_grad_loss_of_each_row() -> None:
    check(ValueError, "grad_loss has shape [2]", grad_loss=np.ones(2), reduction="none")
    check(ValueError, 'must be one number unless reduction is "none"', grad_loss=np.ones(4), reduction="mean")
    with pytest.raises(ce.ArgumentValueError, match=r"must be one number$"):
        ce.binary_cross_entropy_with_grad([0.0, 1.0], [0, 1], grad_loss=[1.0, 2.0], reduction="none")  # type: ignore[arg-type]
    check(TypeError, "grad_loss has dtype complex128", grad_loss=np.ones(4, complex), reduction="none")


@pytest.mark.parametrize("kind", [list, tuple, lambda each: array.array("d", each)])
def test_grad_loss_may_be_a_list_like_other_arrays(kind: Any) -> None:
    x = np.linspace(-1, 1, 8).reshape(2, 4)
    for values in ([2, -1], [2.0, -1.0]):
        options: dict[str, Any] = {"target": [0, 3], "reduction": "none"}
        _, got = ce.cross_entropy_with_grad(x, **options, grad_loss=kind(values))
        _, want = ce.cross_entropy_with_grad(x, **options, grad_loss=np.array([2.0, -1.0]))
        assert np.array_equal(got, want)
    diagonal = ce.hessian_diagonal(x, **options, grad_loss=kind([2.0, -1.0]))
    assert np.array_equal(diagonal, ce.hessian_diagonal(x, **options, grad_loss=np.array([2.0, -1.0])))
    check(TypeError, "grad_loss has dtype", "must be float32, float64", grad_loss=["a", "b"], reduction="none")


SPARSE = ce.SparseTarget(np.zeros((ROWS, 1), int), np.ones((ROWS, 1)))
Q = np.full((ROWS, CLASSES), 0.2)
Y = np.arange(ROWS)
MEMORY = np.zeros(ROWS * CLASSES + 1)
IN_MEMORY = MEMORY[:-1].reshape(ROWS, CLASSES)


@pytest.mark.parametrize(
    ("name", "target", "options", "texts"),
    [
        ("cross_entropy", Y, {"out": np.zeros(2)}, ["out has shape [2], but a mean or sum is one number"]),
        ("cross_entropy", Y, {"out": MEMORY[:1]}, ["out overlaps x"]),
        ("cross_entropy", Y, {"mask": np.ones(3, bool)}, ["mask has shape [3], but x without its class axis has"]),
        ("cross_entropy", Q, {"ignore_index": [1, 2]}, ["ignore_index is for labels, but targets are distributions"]),
        ("cross_entropy", Y, {"focal_gamma": 1.0, "input_type": "probs"}, ["focal_gamma is for logits, but"]),
        ("cross_entropy", Q, {"temperature": 2.0, "input_type": "probs"}, ['nor target_type says "logits"']),
        ("cross_entropy", SPARSE, {"label_smoothing": 0.1}, ["but probs make", 'take rest "spread"']),
        ("cross_entropy", SPARSE, {"target_type": "logits"}, ['target_type is "logits"', 'rest "renormalize"']),
        ("cross_entropy_with_grad", Y, {"grad": np.zeros((4, 5), "f")}, ["grad must have the dtype of x"]),
        ("cross_entropy_with_grad", Y, {"grad": MEMORY[1:].reshape(4, 5)}, ["grad overlaps x"]),
        ("cross_entropy_with_grad", Y, {"grad_loss": np.ones(4)}, ["grad_loss has shape [4], but must be one"]),
        ("cross_entropy_with_grad", Q, {"mean_over": "mass", "grad_target": True}, ['with mean_over "mass"']),
        ("nll_loss", Y[:2], {}, ["target has shape [2], but log_probs without its class axis has shape [4]"]),
        ("binary_cross_entropy", Y, {}, ["target has shape [4], but x has shape [4, 5]"]),
        ("binary_cross_entropy", Q, {"reduction": "none", "out": np.zeros(4)}, ["out has shape [4], but x has shape"]),
        ("kl_divergence", Y, {}, ["target holds labels", "the KL divergence is the cross-entropy"]),
        ("kl_divergence", Q, {"out": MEMORY[:1]}, ["out overlaps x"]),
        ("hessian_diagonal", Y, {"out": np.zeros((5, 4))}, ["out has shape [5, 4], but x has shape [4, 5]"]),
        ("hessian_diagonal", Y, {"out": MEMORY[1:].reshape(4, 5)}, ["out overlaps x"]),
        ("softmax", None, {"out": np.zeros((5, 4))}, ["out has shape [5, 4], but x has shape [4, 5]"]),
        ("log_softmax", None, {"out": np.zeros((4, 5), "f")}, ["out must have the dtype of x"]),
        ("logsumexp", None, {"out": np.zeros(5)}, ["out has shape [5], but x without its class axis has shape [4]"]),
        ("logsumexp", None, {"out": np.zeros(4, np.float16)}, ["out has dtype float16", "16 bits are for inputs"]),
        ("row_stats", Y[:2], {}, ["target has shape [2], but x without its class axis has shape [4]"]),
        ("partial_statistics", Y[:2], {}, ["target has shape [2], but x without its class axis has shape [4]"]),
    ],
)
def test_messages_name_the_arguments_of_the_function_that_was_called(
    name: str, target: Any, options: dict[str, Any], texts: list[str]
) -> None:
    function = getattr(ce, name)
    with pytest.raises(ce.CrossEntropyError) as caught:
        function(IN_MEMORY, *([] if target is None else [target]), **options)
    message = str(caught.value)
    for text in texts:
        assert text in message
    # None of the header's names and constants that Python has other ones for.
    theirs = r"\b(input|output|loss has|labels has|\w+_losses|\w+_indices|target_rest)\b|ce_|[A-Z]{3}"
    assert not re.search(theirs, message)


def test_messages_of_the_classes_name_their_own_arguments() -> None:
    with pytest.raises(ce.ArgumentValueError, match=r"^weight has shape \[3\], but losses has shape \[2\]$"):
        ce.Accumulator().add(np.ones(2), np.ones(3))
    with pytest.raises(ce.ArgumentValueError, match=r"^these bytes are no accumulator of version 1$"):
        ce.Accumulator.from_bytes(bytes(600))
    statistics = ce.partial_statistics(IN_MEMORY, Y)
    with pytest.raises(ce.ArgumentValueError, match=r"^grad overlaps x$"):
        statistics.grad(IN_MEMORY, grad=MEMORY[1:].reshape(4, 5))
    nothing = ce.PartialStatistics(np.zeros_like(statistics.array))
    for call in (nothing.loss, lambda: nothing | statistics, lambda: statistics | nothing):
        with pytest.raises(ce.ArgumentValueError, match=r"^row 0 of array holds no statistics of version 1"):
            call()


def test_messages_keep_words_that_are_names_elsewhere() -> None:
    with pytest.raises(
        ce.LabelError, match=r"^label 9 in row 3 is out of range: there are 5 classes \(labels 0 to 4\)$"
    ):
        ce.row_stats(IN_MEMORY, [0, 1, 2, 9])
    x, arguments = wrong_call(target=Q, grad_target=True, focal_gamma=1.0)
    with pytest.raises(ce.ArgumentValueError, match="not computed for a loss with focal_gamma or poly_epsilon"):
        ce.cross_entropy_with_grad(x, **arguments)


def test_masks_and_ignored_labels() -> None:
    check(TypeError, "mask has dtype float64, but must be booleans or integers", mask=np.ones(3))
    check(ValueError, "mask has shape [2]", mask=[True, False])
    check(TypeError, "ignore_index must be an integer, several or None, not float", ignore_index=1.5)
    check(TypeError, "ignore_index must be an integer, not str", ignore_index=["1"])


def test_a_teachers_temperature_can_be_divided_by() -> None:
    # The scale makes good for it on the side of the input alone.
    x = np.array([[1.0, 2.0]])
    with pytest.raises(ce.ArgumentValueError, match="temperature"):
        ce.kl_divergence(x, x, target_type="logits", temperature=1e-310, logit_scale=1e-310)
