"""Properties that hold for every problem, most of them held against the NumPy reference."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from problems import LABEL_DTYPES, Problem, in_some_layout, problems

import crossentropy as ce

Array = npt.NDArray[Any]

# What include/crossentropy.h promises: relative errors of a row's loss, of a gradient where the
# class has target mass or a probability >= 1e-6, and of the other gradients.
BOUNDS = {"float32": (1e-6, 1e-6, 5e-6), "float64": (1e-13, 1e-13, 1e-13)}


def assert_close(got: Any, want: Array, tolerance: Array, what: str) -> None:
    got = np.asarray(got, np.float64)
    assert got.shape == want.shape
    finite = np.isfinite(want)
    assert np.array_equal(got[~finite], want[~finite], equal_nan=True), f"{what}: {got} is not {want}"
    error = abs(got[finite] - want[finite])
    wrong = ~(error <= np.broadcast_to(tolerance, want.shape)[finite])
    assert not wrong.any(), f"{what}: {got[finite][wrong][0]!r}, but the reference says {want[finite][wrong][0]!r}"


def assert_agrees(problem: Problem, loss: Any, grad: Array, **extra: Any) -> None:
    want = reference.cross_entropy(problem.x, problem.target, **problem.options, **extra)
    of_loss, of_likely, of_unlikely = BOUNDS[problem.x.dtype.name]
    # Below the smallest normal number, and for probabilities that far below the largest, there is
    # no relative accuracy to promise.
    tiny = float(np.finfo(problem.x.dtype).tiny)
    with np.errstate(invalid="ignore"):  # inf - inf where the values are compared as non-finite
        assert_close(loss, np.asarray(want.loss), of_loss * want.loss_scale + tiny, "loss")
        bound = np.where(want.likely, of_likely, of_unlikely)
        finite_scale = np.where(np.isfinite(want.grad_scale), want.grad_scale, 0)
        floor = tiny * max(1.0, finite_scale.sum(initial=0.0))
        assert_close(grad, want.grad, bound * finite_scale + floor, "grad")


def bits(*results: Any) -> list[bytes]:
    return [np.ascontiguousarray(result).tobytes() for result in results]


@given(problems(), st.sampled_from([1.0, -2.5, 0.0]))
def test_agrees_with_the_reference(problem: Problem, grad_loss: float) -> None:
    loss, grad = ce.cross_entropy_with_grad(problem.x, problem.target, grad_loss=grad_loss, **problem.options)
    assert grad.dtype == problem.x.dtype
    assert loss.dtype == problem.x.dtype
    assert_agrees(problem, loss, grad, grad_loss=grad_loss)


@given(problems())
def test_same_bits_for_every_way_of_calling(problem: Problem) -> None:
    expected = bits(*ce.cross_entropy_with_grad(problem.x, problem.target, **problem.options))

    assert bits(ce.cross_entropy(problem.x, problem.target, **problem.options)) == expected[:1]

    in_place = problem.x.copy(order="K")
    loss, grad = ce.cross_entropy_with_grad(in_place, problem.target, grad=in_place, **problem.options)
    assert grad is in_place
    assert bits(loss, grad) == expected

    in_its_layout = problem.x[...]
    in_its_layout.flags.writeable = True
    kept = problem.x.copy()
    loss, grad = ce.cross_entropy_with_grad(in_its_layout, problem.target, grad=in_its_layout, **problem.options)
    assert bits(loss, grad) == expected
    problem.x[...] = kept

    contiguous = {
        name: np.ascontiguousarray(value).reshape(value.shape) if isinstance(value, np.ndarray) else value
        for name, value in problem.options.items()
    }
    x, target = problem.x.copy(order="C"), problem.target.copy(order="C")
    assert bits(*ce.cross_entropy_with_grad(x, target, **contiguous)) == expected
    x, target = problem.x.copy(order="F"), problem.target.copy(order="F")
    assert bits(*ce.cross_entropy_with_grad(x, target, **contiguous)) == expected


HALVES = [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)]


def same_numbers(got: Array, want: Array) -> bool:
    """The same bits, but for which NaN it is."""
    same = np.ascontiguousarray(got).view(np.uint16) == np.ascontiguousarray(want).view(np.uint16)
    return got.dtype == want.dtype and bool(np.all(same | (np.isnan(got) & np.isnan(want))))


@given(problems(), st.sampled_from(HALVES), st.sampled_from([1.0, 1e-6, 1e5]), st.data())
def test_16_bits_are_computed_as_float32(
    problem: Problem, dtype: np.dtype[Any], grad_loss: float, data: st.DataObject
) -> None:
    """The same bits of loss and gradient, the latter rounded where it has 16 bits."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    half = in_some_layout(data.draw, rng, problem.x.astype(dtype))
    target, options = problem.target, {**problem.options, "grad_loss": grad_loss}
    loss, grad = ce.cross_entropy_with_grad(half.astype(np.float32), target, **options)
    with np.errstate(over="ignore"):
        rounded = grad.astype(dtype)

    half_loss, half_grad = ce.cross_entropy_with_grad(half, target, **options)
    assert half_loss.dtype == np.float32
    assert bits(half_loss) == bits(loss)
    assert same_numbers(half_grad, rounded)
    assert bits(ce.cross_entropy(half, target, **problem.options)) == bits(loss)

    wide_grad = in_some_layout(data.draw, rng, np.full(half.shape, 7, np.float32))
    half_loss, _ = ce.cross_entropy_with_grad(half, target, grad=wide_grad, **options)
    assert bits(half_loss, wide_grad) == bits(loss, grad)
    other_grad = in_some_layout(data.draw, rng, np.full(half.shape, 7, dtype))
    half_loss, _ = ce.cross_entropy_with_grad(half, target, grad=other_grad, **options)
    assert bits(half_loss) == bits(loss)
    assert same_numbers(other_grad, rounded)
    half_loss, _ = ce.cross_entropy_with_grad(half, target, grad=half, **options)
    assert bits(half_loss) == bits(loss)
    assert same_numbers(half, rounded)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_every_number_of_16_bits(dtype: np.dtype[Any]) -> None:
    x = np.stack([np.arange(1 << 16, dtype=np.uint16).view(dtype), np.zeros(1 << 16, dtype)], 1)
    for input_type in ("logits", "probs", "log_probs"):
        options: dict[str, Any] = {"input_type": input_type, "reduction": "none"}
        got = ce.cross_entropy_with_grad(x, np.zeros(len(x), int), **options)
        want = ce.cross_entropy_with_grad(x.astype(np.float32), np.zeros(len(x), int), **options)
        assert np.array_equal(got[0], want[0], equal_nan=True)
        with np.errstate(over="ignore"):
            assert same_numbers(got[1], want[1].astype(dtype))


@given(problems(), st.data())
def test_ignored_rows_cannot_poison(problem: Problem, data: st.DataObject) -> None:
    """Whatever a row holds that does not count: the same bits for the others, and 0 for itself."""
    axis = problem.options["axis"]
    x = problem.x.copy()
    row_shape = np.moveaxis(x, axis, -1).shape[:-1]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    out = rng.random(row_shape) < 0.4
    options = dict(problem.options)
    target = problem.target.copy()
    if target.dtype.kind in "iu" and options["ignore_index"] is not None:
        if np.iinfo(target.dtype).min > options["ignore_index"]:
            options["ignore_index"] = 120
        target = np.where(out, options["ignore_index"], target).astype(target.dtype)
    else:
        weights = options.get("sample_weight", np.ones(row_shape))
        options["sample_weight"] = np.where(out, 0, weights)
    before = ce.cross_entropy_with_grad(x, target, **options)
    for poison in (np.nan, np.inf, -np.inf, 1e30):
        np.moveaxis(x, axis, -1)[out] = poison
        after = ce.cross_entropy_with_grad(x, target, **options)
        assert bits(*after) == bits(*before)
        assert not np.moveaxis(after[1], axis, -1)[out].any()
        if options["reduction"] == "none":
            assert not np.asarray(after[0])[out].any()


@given(problems(), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(problem: Problem, random: Any) -> None:
    axis = problem.options.pop("axis")
    x = np.moveaxis(problem.x, axis, -1).reshape(-1, problem.x.shape[axis])
    hard = problem.target.dtype.kind in "iu"
    target = problem.target.reshape(-1) if hard else np.moveaxis(problem.target, axis, -1)
    target = target if hard else target.reshape(x.shape)
    options = dict(problem.options)
    order = list(range(len(x)))
    random.shuffle(order)
    shuffled = dict(options)
    if "sample_weight" in options:
        options["sample_weight"] = options["sample_weight"].reshape(-1)
        shuffled["sample_weight"] = options["sample_weight"][order]
    loss, grad = ce.cross_entropy_with_grad(x, target, **options)
    loss_shuffled, grad_shuffled = ce.cross_entropy_with_grad(x[order], target[order], **shuffled)
    if options["reduction"] == "none":
        loss = loss[order]
    assert bits(loss_shuffled, grad_shuffled) == bits(loss, grad[order])


@given(problems(strange=False))
def test_one_hot_distributions_agree_with_labels(problem: Problem) -> None:
    if problem.target.dtype.kind not in "iu":
        return
    axis = problem.options["axis"]
    classes = problem.x.shape[axis]
    ignored = problem.target == problem.options["ignore_index"]
    labels = np.where(ignored, 0, problem.target).astype(np.intp)
    one_hot = np.moveaxis(np.eye(classes)[labels], -1, axis)
    # With empty="nan" they differ where no row counts: a label of weight 0 makes a row weightless.
    options = dict(problem.options, mean_over="mass", empty="zero")
    options["sample_weight"] = np.where(ignored, 0, options.get("sample_weight", 1.0))
    options["ignore_index"] = None
    loss, grad = ce.cross_entropy_with_grad(problem.x, one_hot, **options)
    assert_agrees(Problem(problem.x, labels, options), loss, grad)


@given(problems())
def test_loss_in_the_other_precision(problem: Problem) -> None:
    """``out`` decides the precision of the loss: the same number, rounded once to each."""
    narrow = ce.cross_entropy(problem.x, problem.target, **problem.options)
    out = np.empty(np.shape(narrow), np.float64)
    wide = ce.cross_entropy(problem.x, problem.target, out=out, **problem.options)
    assert wide is out
    last_place = 2**-23 if narrow.dtype == np.float32 else 0
    np.testing.assert_allclose(wide, np.asarray(narrow), rtol=last_place, atol=2e-45)
    if problem.x.dtype == np.float64:
        out = np.empty(np.shape(narrow), np.float32)
        ce.cross_entropy(problem.x, problem.target, out=out, **problem.options)
        with np.errstate(over="ignore"):
            assert bits(out) == bits(np.asarray(narrow).astype(np.float32))


@given(
    st.integers(1, 300),
    st.sampled_from([-7e3, -0.125, 64.0, 6e4]),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_a_constant_added_to_a_row_changes_nothing(classes: int, constant: float, seed: int, single: bool) -> None:
    """The numbers are such that the differences of logits, on which all depends, stay exact."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-200, 200, (4, classes)).astype(np.float32 if single else np.float64) / 8
    problem = Problem(x, rng.integers(0, classes, 4), {"reduction": "none"})
    loss, grad = ce.cross_entropy_with_grad(x + x.dtype.type(constant), problem.target, **problem.options)
    assert_agrees(problem, loss, grad)


# Short rows and rows whose classes are strided are computed 16 at a time, long contiguous ones one at a time.
GROUP = 16
EVERY_LENGTH = [*range(1, 131), 2047, 2048, 2049]


def mixed_problem(rows: int, classes: int, dtype: str, seed: int) -> Problem:
    """Labels, weights and logits of which some are NaN, infinite, ignored or 0."""
    rng = np.random.default_rng(seed)
    x = (rng.choice([0.5, 5.0, 60.0], (rows, 1)) * rng.standard_normal((rows, classes))).astype(dtype)
    odd_row = rng.random(rows)
    places = rng.integers(0, classes, rows)
    for row, chance, column in zip(x, odd_row, places):
        if chance < 0.3:
            row[column] = rng.choice([np.nan, np.inf, -np.inf, -np.inf])
    target = np.where(rng.random(rows) < 0.15, -100, rng.integers(0, classes, rows))
    options: dict[str, Any] = {"grad_loss": 0.7}
    odd = [0.0, np.inf, -1.5, 1e-40, np.nan]
    for name, length in (("weight", classes), ("sample_weight", rows)):
        if rng.random() < 0.6:
            weights = np.where(rng.random(length) < 0.15, rng.choice(odd, length), rng.uniform(0.1, 3, length))
            options[name] = weights.astype(rng.choice(["f4", "f8"]))
    return Problem(x, target, options)


def laid_out(x: Array) -> dict[str, tuple[Array, int]]:
    """The same logits in several memory layouts, each with the axis of the classes."""
    rows, classes = x.shape
    padded = np.zeros((rows, classes + 3), x.dtype)[:, 2:-1]
    backwards = np.zeros_like(x)[::-1, ::-1]
    class_axis_first = np.zeros((classes, rows), x.dtype)
    class_axis_first_padded = np.zeros((classes, rows + 5), x.dtype)[:, 1:-4]
    every_other = np.zeros((2 * rows, 3 * classes), x.dtype)[::2, ::3]
    views = {
        "contiguous": (np.zeros_like(x), 1),
        "padded": (padded, 1),
        "backwards": (backwards, 1),
        "every other": (every_other, 1),
        "class axis first": (class_axis_first, 0),
        "class axis first, padded": (class_axis_first_padded, 0),
        "class axis first, backwards": (np.zeros((classes, rows), x.dtype)[::-1, ::-1], 0),
    }
    for view, axis in views.values():
        view[...] = x if axis == 1 else x.T
    return views


@pytest.mark.parametrize("rows", [1, GROUP - 1, GROUP, GROUP + 1, 2 * GROUP + 1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_for_every_layout_and_length(rows: int, dtype: str) -> None:
    for classes in EVERY_LENGTH:
        problem = mixed_problem(rows, classes, dtype, seed=1000 * classes + rows)
        options = {"reduction": "none", **problem.options}
        of_sum = {**problem.options, "reduction": "sum"}
        loss, grad = ce.cross_entropy_with_grad(problem.x, problem.target, **options)
        total, _ = ce.cross_entropy_with_grad(problem.x, problem.target, **of_sum)
        for layout, (x, axis) in laid_out(problem.x).items():
            where = f"{classes} classes, {layout}"
            got, _ = ce.cross_entropy_with_grad(x, problem.target, axis=axis, **of_sum)
            assert bits(got) == bits(total), where
            for order in "CF":  # of the gradient, whatever that of the logits
                out = np.empty_like(x, order=order)
                got, _ = ce.cross_entropy_with_grad(x, problem.target, axis=axis, grad=out, **options)
                assert bits(got, np.moveaxis(out, axis, 1)) == bits(loss, grad), f"{where}, gradient in order {order}"
            got, _ = ce.cross_entropy_with_grad(x, problem.target, axis=axis, grad=x, **options)
            assert bits(got, np.moveaxis(x, axis, 1)) == bits(loss, grad), f"{where}, in place"


@pytest.mark.parametrize("classes", [1, 2, 10, 127, 128, 129, 2048])
@pytest.mark.parametrize("class_axis_first", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_for_every_split_of_the_batch(classes: int, class_axis_first: bool, dtype: str) -> None:
    rows = 2 * GROUP + 1
    problem = mixed_problem(rows, classes, dtype, seed=classes)
    x = np.asfortranarray(problem.x) if class_axis_first else problem.x
    sample_weight = problem.options.pop("sample_weight", np.linspace(0, 3, rows))

    def part(start: int, end: int) -> tuple[Array, Array]:
        return ce.cross_entropy_with_grad(
            x[start:end],
            problem.target[start:end],
            sample_weight=sample_weight[start:end],
            reduction="none",
            **problem.options,
        )

    loss, grad = part(0, rows)
    for split in range(rows + 1):
        (loss_before, grad_before), (loss_after, grad_after) = part(0, split), part(split, rows)
        assert bits(np.concatenate([loss_before, loss_after])) == bits(loss), split
        assert bits(np.concatenate([grad_before, grad_after])) == bits(grad), split


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [1, 3, 128, 129, 500])
def test_rows_of_nan_are_so_throughout_and_alone(classes: int, dtype: str) -> None:
    """A row whose loss is NaN has a gradient of NaN in every class, and what poisons it reaches no other row."""
    for seed in range(40):
        problem = mixed_problem(GROUP + 3, classes, dtype, seed)
        loss, grad = ce.cross_entropy_with_grad(problem.x, problem.target, reduction="none", **problem.options)
        assert np.isnan(grad[np.isnan(loss)]).all()
        usual = np.isfinite(problem.x).all(1) & (problem.target != -100)
        usual &= np.isfinite(problem.options.get("sample_weight", np.ones(len(loss))))
        usual &= np.isfinite(problem.options.get("weight", np.ones(classes))[problem.target.clip(0)])
        assert np.isfinite(loss[usual]).all()
        assert np.isfinite(grad[usual]).all()


@st.composite
def two_views(draw: st.DrawFn) -> tuple[Array, Array]:
    """Two views [rows, classes] of one memory, as slicing makes them, often close to each other."""
    rows, classes = draw(st.integers(1, 6)), draw(st.integers(1, 20))
    memory = np.zeros(4000, np.float32)
    bases = [memory[:3600].reshape(60, 60), memory[:3600].reshape(60, 60).T, memory[7:3607].reshape(72, 50)]
    bases += [memory[start:3600:2].reshape(36, 50) for start in (0, 1)]

    def view() -> Array:
        base = draw(st.sampled_from(bases))
        row_step, class_step = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        row = draw(st.integers(0, 5) | st.integers(0, base.shape[0] - rows * row_step))
        column = draw(st.integers(0, base.shape[1] - classes * class_step))
        cut = base[row : row + rows * row_step : row_step, column : column + classes * class_step : class_step]
        return cut[:: draw(st.sampled_from([1, -1])), :: draw(st.sampled_from([1, -1]))]

    return view(), view()


def is_refused_for_overlap(x: Array, **arguments: Any) -> bool:
    try:
        ce.cross_entropy_with_grad(x, **arguments)
    except ValueError as error:
        assert "overlap" in str(error)  # noqa: PT017  (no error is an answer too)
        return True
    return False


@given(two_views(), st.data())
def test_overlap_is_sharing_a_byte(views: tuple[Array, Array], data: st.DataObject) -> None:
    """Outputs are refused exactly where NumPy finds memory that they share with an input."""
    x, other = views
    target = np.zeros(len(x), np.int64)
    same = x.ctypes.data == other.ctypes.data and x.strides == other.strides
    shares = np.shares_memory(x, other)
    assert is_refused_for_overlap(x, target=target, grad=other) == (shares and not same)

    losses = other[:, data.draw(st.integers(0, other.shape[1] - 1))]
    shares = np.shares_memory(x, losses)
    assert is_refused_for_overlap(x, target=target, reduction="none", out=losses) == shares


@given(st.data())
def test_overlap_of_fields_is_sharing_a_byte(data: st.DataObject) -> None:
    """The same for views of different dtypes, as the fields of records are, at any byte."""
    rows, classes = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 5))
    record = 8 * data.draw(st.integers(1, 9))
    memory = np.zeros(1024, np.uint8)

    def field(dtype: str, shape: tuple[int, ...]) -> Array:
        strides = (record, np.dtype(dtype).itemsize)[: len(shape)]
        return np.ndarray(shape, dtype, memory, data.draw(st.integers(0, 2 * record)), strides)

    x = field("f4", (rows, classes))
    arguments = {
        "target": field("u1", (rows,)),
        "sample_weight": field("f8", (rows,)),
        "out": field(data.draw(st.sampled_from(["f4", "f8"])), (rows,)),
    }
    inputs = x, arguments["target"], arguments["sample_weight"]
    shares = any(np.shares_memory(arguments["out"], each) for each in inputs)
    assert is_refused_for_overlap(x, reduction="none", **arguments) == shares


# Enough work for several threads, cut in different ways: many short rows, few long ones, one.
@pytest.mark.parametrize("shape", [(20000, 10), (64, 5000), (3, 100_003), (1, 300_000)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "distributions"])
def test_same_bits_for_any_number_of_threads(shape: tuple[int, int], dtype: str, soft: bool) -> None:
    rng = np.random.default_rng(7)
    x = (5 * rng.standard_normal(shape)).astype(dtype)
    target = rng.random(shape) if soft else rng.integers(0, shape[1], shape[0])
    sample_weight = rng.random(shape[0])
    one, *others = [
        bits(
            *ce.cross_entropy_with_grad(x, target, sample_weight=sample_weight, threads=threads),
            ce.cross_entropy(x, target, sample_weight=sample_weight, threads=threads),
            ce.cross_entropy(x.T, target.T, axis=0, reduction="none", threads=threads),
        )
        for threads in (1, 2, 3, 7)
    ]
    assert all(other == one for other in others)


@pytest.mark.parametrize("classes", [4096, 20_000, 300_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("soft", "label_smoothing"), [(False, 0.0), (False, 0.1), (True, 0.0)], ids=str)
def test_long_rows_keep_their_accuracy(classes: int, dtype: str, soft: bool, label_smoothing: float) -> None:
    """Errors do not add up over the classes, neither those of exp nor those of the target mass."""
    rng = np.random.default_rng(classes)
    x = (np.round(rng.standard_normal((2, classes)) * 1024) / 1024).astype(dtype)
    target = rng.random((2, classes)) / classes if soft else rng.integers(0, classes, 2)
    options = {"label_smoothing": label_smoothing, "weight": rng.uniform(0.1, 3, classes)}
    loss, grad = ce.cross_entropy_with_grad(x, target, **options)
    assert_agrees(Problem(x, target, options), loss, grad)


@pytest.mark.parametrize("dtype", LABEL_DTYPES)
def test_every_label_dtype_gives_the_same_bits(dtype: str) -> None:
    x = np.random.default_rng(1).standard_normal((50, 100)).astype(np.float32)
    labels = np.arange(50) * 2
    expected = bits(*ce.cross_entropy_with_grad(x, labels))
    assert bits(*ce.cross_entropy_with_grad(x, labels.astype(dtype))) == expected


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(2, 5, 3001), (1, 21, 40, 77), (1, 700, 100), (1, 4100, 19)])
def test_same_bits_for_rows_whose_classes_lie_far_apart(dtype: str, shape: tuple[int, ...]) -> None:
    """Pixels of planes are copied some at a time; more than one lot here, and one that is not full."""
    rng = np.random.default_rng(5)
    x = (4 * rng.standard_normal(shape)).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    target = rng.integers(0, shape[1], shape[:1] + shape[2:])
    target[..., ::7] = -100
    rows = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    loss, grad = ce.cross_entropy_with_grad(rows, target, reduction="none")
    for out in (None, x.copy(), np.empty_like(rows).transpose(0, -1, *range(1, len(shape) - 1))):
        source = x if out is None or out.strides != x.strides else out  # the copy is overwritten in place
        got, got_grad = ce.cross_entropy_with_grad(source, target, axis=1, reduction="none", grad=out)
        assert got.tobytes() == loss.tobytes()
        assert np.ascontiguousarray(np.moveaxis(got_grad, 1, -1)).tobytes() == grad.tobytes()
    if x.dtype.itemsize == 2:
        wide = ce.cross_entropy_with_grad(x, target, axis=1, reduction="none", grad=np.empty(shape, np.float32))[1]
        assert np.moveaxis(wide, 1, -1).astype(x.dtype).tobytes() == grad.tobytes()


@pytest.mark.parametrize("far", [500.0, 650.0, 690.0, 705.0])
@pytest.mark.parametrize("top", [0.0, 3.3])
def test_blocks_far_below_the_largest_logit_count(far: float, top: float) -> None:
    """In a confident row all that the loss consists of may come from blocks far below the largest logit, and in these
    from elements far above the first ones."""
    x = np.full((1, 3 * 4096), -np.inf)
    x[0, 0] = top
    x[0, 4096:4112] = top - far - 25  # what the block is looked at from
    x[0, 4112:4120] = top - far
    x[0, 8192:] = top - far - 3
    rest = np.exp(x[0, 4096:].astype(np.longdouble) - np.longdouble(top)).sum()
    loss, grad = ce.cross_entropy_with_grad(x, [0], reduction="none")
    assert_close(loss, np.array([rest], np.float64), np.array([1e-13 * float(rest)]), "loss")
    want = np.exp(x[0].astype(np.longdouble) - np.longdouble(top)).astype(np.float64)
    want[0] = -float(rest)
    assert_close(grad[0], want, 1e-13 * abs(want), "gradient")
    columns = np.asfortranarray(np.repeat(x, 5, axis=0))
    assert ce.cross_entropy(columns, np.zeros(5, int), reduction="none").tobytes() == loss.tobytes() * 5


@pytest.mark.parametrize("input_type", ["logits", "probs", "log_probs"])
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "distributions"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
@pytest.mark.parametrize("mean_over", ["weight", "mass", "count", 3.0])
def test_the_reference_differentiates_itself(
    input_type: str, soft: bool, label_smoothing: float, mean_over: str | float
) -> None:
    """The reference's gradient is the central difference of its loss."""
    rng = np.random.default_rng(3)
    x = rng.uniform(0.1, 0.9, (3, 4))
    options: dict[str, Any] = {
        "input_type": input_type,
        "label_smoothing": label_smoothing,
        "mean_over": mean_over,
        "weight": rng.uniform(0.5, 2, 4),
        "sample_weight": rng.uniform(0.5, 2, 3),
    }
    target = rng.random((3, 4)) if soft else np.array([2, 0, 1])
    gradient = reference.cross_entropy(x, target, **options).grad
    step = 2.0**-16
    for index in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        rise = (
            reference.cross_entropy(up, target, **options).loss - reference.cross_entropy(down, target, **options).loss
        )
        assert rise / (2 * step) == pytest.approx(gradient[index], rel=1e-6, abs=1e-9)
