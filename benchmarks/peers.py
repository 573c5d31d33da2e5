"""Who is timed beside us, each in the fastest way found that its documentation knows.

That is a compiled function where there is a compiler; labels of 32 bits where they are accepted, which are half as much
to read (ours, NumPy and eager PyTorch have 64); and memory that is used again in each call where its users can ask for
that, as ours can. torch.autograd and tf.GradientTape cannot: a gradient of theirs is a new array.

A peer is made with a number of threads, which raises ImportError where it is not installed. `Peer.call` moves the
inputs to where the peer wants them, which is not timed, and returns a function, which is.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any, ClassVar

import numpy as np

from .works import Array, Inputs

Call = Callable[[], Any]


class Peer:
    name: ClassVar[str]
    package: ClassVar[str]
    # Whether its users write it so; what was bent to our way of working is shown, but no target counts it.
    usual: ClassVar[bool] = True
    # Whether the gradient is a new array in each call.
    allocates: ClassVar[bool] = True
    # Whether it keeps a pool of memory between calls, so that what a call takes cannot be seen.
    pools: ClassVar[bool] = False

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def version(self) -> str:
        return metadata.version(self.package)

    def call(self, inputs: Inputs, gradient: bool) -> Call | None:
        """A function that gives the mean loss, or with `gradient` a pair of it and its gradient; None where the peer
        cannot do this work."""
        raise NotImplementedError

    def array(self, gradient: Any) -> Array:
        """A gradient as the functions give it, as an array."""
        return np.asarray(gradient)


class NumPy(Peer):
    """exp once, in a buffer that calls share. Elementwise functions use one thread, and indices are int64."""

    name, package, allocates = "NumPy", "numpy", False

    def log_sum_exp(self, x: Array, out: Array) -> Array:
        """Overwrites `out`."""
        largest = x.max(axis=1, keepdims=True)
        np.subtract(x, largest, out=out)
        np.exp(out, out=out)
        return largest + np.log(out.sum(axis=1, keepdims=True))

    def softmax(self, x: Array, out: Array) -> Array:
        """Leaves the softmax in `out` and returns log-sum-exp."""
        largest = x.max(axis=1, keepdims=True)
        np.subtract(x, largest, out=out)
        np.exp(out, out=out)
        total = out.sum(axis=1, keepdims=True)
        out /= total
        return largest + np.log(total)

    def call(self, inputs: Inputs, gradient: bool) -> Call | None:
        x, target, out = inputs.x, inputs.target, inputs.buffer
        if inputs.work.dtype not in ("f32", "f64"):
            return None
        labels = None if inputs.work.distribution else np.expand_dims(target, 1)

        def mean_loss(lse: Array) -> Any:
            if labels is None:
                return lse.mean() - np.einsum("ij,ij->", target, x) / len(x)
            return (lse - np.take_along_axis(x, labels, 1)).mean()

        def with_gradient() -> tuple[Any, Array]:
            loss = mean_loss(self.softmax(x, out))
            if labels is None:
                np.subtract(out, target, out=out)
            else:
                np.put_along_axis(out, labels, np.take_along_axis(out, labels, 1) - 1, 1)
            np.divide(out, inputs.work.rows, out=out)
            return loss, out

        return with_gradient if gradient else lambda: mean_loss(self.log_sum_exp(x, out))


class SciPy(NumPy):
    """scipy.special.logsumexp, which allocates, and exp of the logits less it."""

    name, package = "SciPy", "scipy"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        from scipy.special import logsumexp

        self.logsumexp = logsumexp

    def log_sum_exp(self, x: Array, out: Array) -> Array:
        return self.logsumexp(x, axis=1, keepdims=True)

    def softmax(self, x: Array, out: Array) -> Array:
        lse = self.log_sum_exp(x, out)
        np.subtract(x, lse, out=out)
        np.exp(out, out=out)
        return lse


class ScikitLearn(Peer):
    """The private loss of its linear models. The public log_loss takes probabilities and makes a dense one-hot."""

    name, package, allocates = "scikit-learn", "scikit-learn", False

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        from sklearn._loss.loss import HalfMultinomialLoss

        self.kernel = HalfMultinomialLoss

    def call(self, inputs: Inputs, gradient: bool) -> Call | None:
        x = inputs.x
        if x.ndim != 2 or inputs.work.distribution or inputs.work.dtype not in ("f32", "f64"):
            return None
        kernel = self.kernel(n_classes=x.shape[1])
        # It wants labels in the logits' dtype.
        rest = {"y_true": inputs.target.astype(x.dtype), "raw_prediction": x, "n_threads": self.threads}
        rest["loss_out"] = np.empty(len(x), x.dtype)

        def with_gradient() -> tuple[Any, Array]:
            loss, slope = kernel.loss_gradient(gradient_out=inputs.buffer, **rest)
            slope /= len(x)
            return loss.mean(), slope

        return with_gradient if gradient else lambda: kernel.loss(**rest).mean()


class Torch(Peer):
    """Eager torch.nn.functional.cross_entropy, which takes labels of int64, and autograd for the gradient."""

    name, package = "torch", "torch"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        # Only GPUs need triton, and its LLVM cannot be loaded beside TensorFlow's.
        sys.modules.setdefault("triton", None)
        import torch

        logging.getLogger("torch.utils.flop_counter").setLevel(logging.ERROR)  # it misses triton
        torch.set_num_threads(threads)
        self.torch = torch
        self.cross_entropy: Callable[..., Any] = torch.nn.functional.cross_entropy

    def tensor(self, array: Array) -> Any:
        """The array's own memory as a tensor; torch does not know ml_dtypes' bfloat16."""
        if array.dtype.name == "bfloat16":
            return self.torch.from_numpy(array.view(np.int16)).view(self.torch.bfloat16)
        return self.torch.from_numpy(array)

    def labels(self, inputs: Inputs) -> Any:
        return self.tensor(inputs.target)

    def function(self) -> Callable[..., Any]:
        return self.cross_entropy

    def call(self, inputs: Inputs, gradient: bool) -> Call | None:
        x, target, function = self.tensor(inputs.x), self.labels(inputs), self.function()

        def with_gradient() -> tuple[Any, Any]:
            leaf = x.detach().requires_grad_()
            loss = function(leaf, target)
            return loss.detach(), self.torch.autograd.grad(loss, leaf)[0]

        return with_gradient if gradient else lambda: function(x, target)

    def array(self, gradient: Any) -> Array:
        widened: Array = (gradient.float() if gradient.element_size() < 4 else gradient).numpy()
        return widened


class TorchCompile(Torch):
    """The same through torch.compile, whose code reads labels of int32 and widens them in registers."""

    name = "torch.compile"

    def labels(self, inputs: Inputs) -> Any:
        return self.tensor(inputs.narrow_target)

    def loss(self, x: Any, target: Any) -> Any:
        return self.cross_entropy(x, target if target.is_floating_point() else target.long())

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.torch.compiler.reset()  # otherwise it would compile eight shapes, and no more without a word
        return self.torch.compile(function, dynamic=False)

    def function(self) -> Callable[..., Any]:
        return self.compiled(lambda x, target: self.loss(x, target))


class TorchCompileInPlace(TorchCompile):
    """Loss and gradient in one compiled function that overwrites the logits, so that nothing is allocated."""

    name, usual, allocates = "torch.compile in place", False, False

    def call(self, inputs: Inputs, gradient: bool) -> Call | None:
        if not gradient:
            return None

        def replace(x: Any, target: Any) -> Any:
            slope, loss = self.torch.func.grad_and_value(self.loss)(x, target)
            x.copy_(slope)
            return loss

        function = self.compiled(replace)
        x, target = self.tensor(inputs.scratch), self.labels(inputs)
        return lambda: (function(x, target), x)


class JAX(Peer):
    """jit of log-sum-exp less the label's logit, as optax has it. Its threads are the processors it may run on."""

    name, package = "JAX", "jax"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import jax

        self.jax = jax

    def mean_loss(self, inputs: Inputs) -> Callable[[Any, Any], Any]:
        jax, jnp = self.jax, self.jax.numpy

        def of_distributions(x: Any, target: Any) -> Any:
            return -(target * jax.nn.log_softmax(x, axis=1)).sum(axis=1).mean()

        def of_labels(x: Any, target: Any) -> Any:
            at_label = jnp.take_along_axis(x, jnp.expand_dims(target, 1), axis=1).squeeze(1)
            return (jax.nn.logsumexp(x, axis=1) - at_label).mean()

        jax.config.update("jax_enable_x64", inputs.work.dtype == "f64")
        return of_distributions if inputs.work.distribution else of_labels

    def call(self, inputs: Inputs, gradient: bool) -> Call | None:
        jax, jnp = self.jax, self.jax.numpy
        mean_loss = self.mean_loss(inputs)
        function = jax.jit(jax.value_and_grad(mean_loss) if gradient else mean_loss)
        x, target = jnp.asarray(inputs.x), jnp.asarray(inputs.narrow_target)
        return lambda: jax.block_until_ready(function(x, target))


class JAXDonated(JAX):
    """The gradient takes the memory of the logits, which are donated; the next call reads it as its logits."""

    name, allocates = "JAX donated", False

    def call(self, inputs: Inputs, gradient: bool) -> Call | None:
        if not gradient:
            return None
        jax, jnp = self.jax, self.jax.numpy
        function = jax.jit(jax.value_and_grad(self.mean_loss(inputs)), donate_argnums=0)
        x, target = jnp.array(inputs.x), jnp.asarray(inputs.narrow_target)

        def with_gradient() -> tuple[Any, Any]:
            nonlocal x
            loss, x = jax.block_until_ready(function(x, target))
            return loss, x

        return with_gradient


class TensorFlow(Peer):
    """tf.function with jit_compile, which takes half the time of the same without it."""

    name, package, pools = "TensorFlow", "tensorflow", True

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        self.tf = tf

    def version(self) -> str:
        return str(self.tf.__version__)

    def call(self, inputs: Inputs, gradient: bool) -> Call | None:
        tf, distribution = self.tf, inputs.work.distribution

        def mean_loss(x: Any, target: Any) -> Any:
            if distribution:
                return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(target, x))
            if len(x.shape) > 2:  # it knows classes on the last axis alone
                x = tf.transpose(x, [0, *range(2, len(x.shape)), 1])
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(target, x))

        def with_gradient(x: Any, target: Any) -> tuple[Any, Any]:
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = mean_loss(x, target)
            return loss, tape.gradient(loss, x)

        function = tf.function(with_gradient if gradient else mean_loss, jit_compile=True, autograph=False)
        x = tf.constant(inputs.x)
        target = tf.constant(inputs.narrow_target)
        return lambda: function(x, target)


class ONNXRuntime(Peer):
    """The operator SoftmaxCrossEntropyLoss; as inference knows no gradients, a graph for them, bound to a buffer."""

    name, package, allocates, pools = "ONNX Runtime", "onnxruntime", False, True

    LOSS = "model ({t}[{x}] x, int32[{y}] y) => ({t} loss) {{ loss = SoftmaxCrossEntropyLoss(x, y) }}"
    GRADIENT = """model ({t}[{x}] x, int32[{y}] y, {t}[1] rows) => ({t} loss, {t}[{x}] gradient) {{
        one = Constant<value = int64[1] {{1}}>()
        labels = Unsqueeze(y, one)
        p = Softmax<axis = 1>(x)
        at_label = GatherElements<axis = 1>(p, labels)
        logs = Log(at_label)
        mean = ReduceMean<keepdims = 0>(logs)
        loss = Neg(mean)
        scaled = Div(p, rows)
        minus_rows = Neg(rows)
        share = Reciprocal(minus_rows)
        shape = Shape(labels)
        shares = Expand(share, shape)
        gradient = ScatterElements<axis = 1, reduction = "add">(scaled, labels, shares)
    }}"""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import onnx.parser
        import onnxruntime

        self.parse, self.runtime = onnx.parser.parse_model, onnxruntime

    def call(self, inputs: Inputs, gradient: bool) -> Call | None:
        kind = {"f32": "float", "f64": "double"}.get(inputs.work.dtype)
        if inputs.work.distribution or kind is None:
            return None
        x, y = (", ".join(map(str, each.shape)) for each in (inputs.x, inputs.target))
        text = '<ir_version: 9, opset_import: ["" : 18]>' + (self.GRADIENT if gradient else self.LOSS)
        model = self.parse(text.format(t=kind, x=x, y=y)).SerializeToString()
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = self.threads
        # Otherwise its threads would take the processors from who is timed next.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        session = self.runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        feed = {"x": inputs.x, "y": inputs.narrow_target}
        binding, loss = session.io_binding(), np.empty((), inputs.x.dtype)
        results = {"loss": loss}
        if gradient:
            feed["rows"] = np.array([inputs.work.rows], inputs.x.dtype)
            results["gradient"] = inputs.buffer
        for name, array in feed.items():
            binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name, array in results.items():
            binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

        def run(_alive: object = feed) -> tuple[Array, Array]:  # the binding knows addresses alone
            session.run_with_iobinding(binding)
            return loss, inputs.buffer

        return run if gradient else lambda: run()[0]


PEERS: list[type[Peer]] = [
    NumPy, SciPy, ScikitLearn, Torch, TorchCompile, TorchCompileInPlace, JAX, JAXDonated, TensorFlow,
    ONNXRuntime,
]  # fmt: skip
