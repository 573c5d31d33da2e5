"""Wrong options: which exception, what its text says, and that nothing was written."""

from __future__ import annotations

import array
import enum
from typing import Any

import numpy as np
import pytest
from wrong_calls import check, wrong_call

import crossentropy as ce


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
