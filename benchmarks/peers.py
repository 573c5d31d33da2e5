"""Who is timed beside us, each in the fastest way found that its documentation knows.

A peer is made with a number of threads; making it raises ImportError where it is not installed. `loss` and `gradient`
move the inputs to where the peer wants them, which is not timed, and return a function that is timed: it gives the mean
loss, or the mean loss and its gradient, or is None where the peer cannot do that work.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import metadata
from typing import Any, ClassVar, Optional

import numpy as np

from .works import Array, Inputs

Call = Optional[Callable[[], Any]]


class Peer:
    name: ClassVar[str]
    package: ClassVar[str]
    # Whether users write it so; a peer that was bent to our way of working is shown, but no target counts it.
    usual: ClassVar[bool] = True
    # Whether the gradient is a new array in each call.
    allocates: ClassVar[bool] = True

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def version(self) -> str:
        return metadata.version(self.package)

    def loss(self, inputs: Inputs) -> Call:
        raise NotImplementedError

    def gradient(self, inputs: Inputs) -> Call:
        raise NotImplementedError

    def array(self, gradient: Any) -> Array:
        """What `gradient`'s function gave as the gradient, as an array."""
        return np.asarray(gradient)


class NumPy(Peer):
    """exp once, in the gradient's buffer. NumPy's elementwise functions use one thread."""

    name, package, allocates = "NumPy", "numpy", False

    def log_sum_exp(self, x: Array) -> Array:
        largest = x.max(axis=1, keepdims=True)
        return largest + np.log(np.exp(x - largest).sum(axis=1, keepdims=True))

    def softmax(self, x: Array, out: Array) -> Array:
        """Returns log-sum-exp, and leaves the softmax in `out`."""
        largest = x.max(axis=1, keepdims=True)
        np.subtract(x, largest, out=out)
        np.exp(out, out=out)
        total = out.sum(axis=1, keepdims=True)
        out /= total
        return largest + np.log(total)

    def mean_loss(self, inputs: Inputs, lse: Array) -> Any:
        x, target = inputs.x, inputs.target
        if inputs.work.distribution:
            return lse.mean() - np.einsum("ij,ij->", target, x) / len(x)
        return (lse - np.take_along_axis(x, np.expand_dims(target, 1), 1)).mean()

    def loss(self, inputs: Inputs) -> Call:
        if inputs.work.dtype not in ("f32", "f64"):
            return None
        return lambda: self.mean_loss(inputs, self.log_sum_exp(inputs.x))

    def gradient(self, inputs: Inputs) -> Call:
        if inputs.work.dtype not in ("f32", "f64"):
            return None
        out, labels = inputs.buffer, np.expand_dims(inputs.target, 1)

        def call() -> tuple[Any, Array]:
            lse = self.softmax(inputs.x, out)
            if inputs.work.distribution:
                np.subtract(out, inputs.target, out=out)
            else:
                np.put_along_axis(out, labels, np.take_along_axis(out, labels, 1) - 1, 1)
            np.divide(out, inputs.work.rows, out=out)
            return self.mean_loss(inputs, lse), out

        return call


class SciPy(NumPy):
    """scipy.special.logsumexp, and exp of what it leaves."""

    name, package = "SciPy", "scipy"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        from scipy.special import logsumexp

        self.logsumexp = logsumexp

    def log_sum_exp(self, x: Array) -> Array:
        return self.logsumexp(x, axis=1, keepdims=True)  # type: ignore[no-any-return]

    def softmax(self, x: Array, out: Array) -> Array:
        lse = self.log_sum_exp(x)
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

    def loss(self, inputs: Inputs) -> Call:
        return self.call(inputs, with_gradient=False)

    def gradient(self, inputs: Inputs) -> Call:
        return self.call(inputs, with_gradient=True)

    def call(self, inputs: Inputs, with_gradient: bool) -> Call:
        x = inputs.x
        if x.ndim != 2 or inputs.work.distribution or inputs.work.dtype not in ("f32", "f64"):
            return None
        kernel = self.kernel(n_classes=x.shape[1])
        # Labels in the logits' dtype are what it asks for.
        rest = {"y_true": inputs.target.astype(x.dtype), "raw_prediction": x, "n_threads": self.threads}
        if not with_gradient:
            return lambda: kernel.loss(**rest).mean()

        def call() -> tuple[Any, Array]:
            loss, gradient = kernel.loss_gradient(gradient_out=inputs.buffer, **rest)
            gradient /= len(x)
            return loss.mean(), gradient

        return call


class Torch(Peer):
    """Eager torch.nn.functional.cross_entropy, and autograd for the gradient."""

    name, package = "torch", "torch"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import torch

        torch.set_num_threads(threads)
        self.torch = torch

    def tensor(self, array: Array) -> Any:
        """The array itself, seen by torch; it has to be told what ml_dtypes' bfloat16 is."""
        if array.dtype.kind == "V":
            return self.torch.from_numpy(array.view(np.int16)).view(self.torch.bfloat16)
        return self.torch.from_numpy(array)

    def function(self) -> Callable[[Any, Any], Any]:
        return self.torch.nn.functional.cross_entropy

    def loss(self, inputs: Inputs) -> Call:
        x, target, function = self.tensor(inputs.x), self.tensor(inputs.target), self.function()

        def call() -> Any:
            with self.torch.no_grad():
                return function(x, target)

        return call

    def gradient(self, inputs: Inputs) -> Call:
        x, target, function = self.tensor(inputs.x), self.tensor(inputs.target), self.function()

        def call() -> tuple[Any, Any]:
            leaf = x.detach().requires_grad_()
            loss = function(leaf, target)
            return loss.detach(), self.torch.autograd.grad(loss, leaf)[0]

        return call

    def array(self, gradient: Any) -> Array:
        return gradient.float().numpy() if gradient.element_size() < 4 else gradient.numpy()  # type: ignore[no-any-return]


class TorchCompile(Torch):
    """The same through torch.compile."""

    name = "torch.compile"

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        # Without the reset it would give up compiling after eight shapes, without a word.
        self.torch.compiler.reset()
        return self.torch.compile(function, dynamic=False)  # type: ignore[no-any-return]

    def function(self) -> Callable[[Any, Any], Any]:
        cross_entropy = self.torch.nn.functional.cross_entropy
        return self.compiled(lambda x, target: cross_entropy(x, target))


class TorchCompileInPlace(TorchCompile):
    """Loss and gradient in one compiled function that overwrites the logits, so that nothing is allocated."""

    name, usual, allocates = "torch.compile in place", False, False

    def loss(self, inputs: Inputs) -> Call:
        return None

    def gradient(self, inputs: Inputs) -> Call:
        differentiated = self.torch.func.grad_and_value(self.torch.nn.functional.cross_entropy)

        def replace(x: Any, target: Any) -> Any:
            gradient, loss = differentiated(x, target)
            x.copy_(gradient)
            return loss

        function = self.compiled(replace)
        x, target = self.tensor(inputs.scratch), self.tensor(inputs.target)
        return lambda: (function(x, target), x)


class JAX(Peer):
    """jit of log-sum-exp minus the label's logit, as optax has it; log_softmax is slower."""

    name, package = "JAX", "jax"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import jax  # its threads are as many as the processors this process may run on

        self.jax = jax

    def mean_loss(self, x: Any, target: Any) -> Any:
        jax, jnp = self.jax, self.jax.numpy
        if target.ndim == x.ndim and target.dtype == x.dtype:
            return -(target * jax.nn.log_softmax(x, axis=1)).sum(axis=1).mean()
        at_label = jnp.take_along_axis(x, jnp.expand_dims(target, 1), axis=1).squeeze(1)
        return (jax.nn.logsumexp(x, axis=1) - at_label).mean()

    def call(self, function: Any, inputs: Inputs) -> Call:
        jnp = self.jax.numpy
        self.jax.config.update("jax_enable_x64", inputs.work.dtype == "f64")
        target = inputs.target if inputs.work.distribution else inputs.target.astype(np.int32)
        compiled, x, target = self.jax.jit(function), jnp.asarray(inputs.x), jnp.asarray(target)
        return lambda: self.jax.block_until_ready(compiled(x, target))

    def loss(self, inputs: Inputs) -> Call:
        return self.call(self.mean_loss, inputs)

    def gradient(self, inputs: Inputs) -> Call:
        return self.call(self.jax.value_and_grad(self.mean_loss), inputs)


class TensorFlow(Peer):
    """tf.function with jit_compile, which took half the time of the same without it."""

    name, package = "TensorFlow", "tensorflow-cpu"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self.tf = tf

    def version(self) -> str:
        return str(self.tf.__version__)

    def mean_loss(self, x: Any, target: Any) -> Any:
        tf = self.tf
        if target.dtype == x.dtype:
            return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(target, x))
        if len(x.shape) > 2:  # it takes classes on the last axis alone
            x = tf.transpose(x, [0, *range(2, len(x.shape)), 1])
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(target, x))

    def with_gradient(self, x: Any, target: Any) -> tuple[Any, Any]:
        with self.tf.GradientTape() as tape:
            tape.watch(x)
            loss = self.mean_loss(x, target)
        return loss, tape.gradient(loss, x)

    def call(self, function: Any, inputs: Inputs) -> Callable[[], Any]:
        compiled = self.tf.function(function, jit_compile=True, autograph=False)
        target = inputs.target if inputs.work.distribution else inputs.target.astype(np.int32)
        x, target = self.tf.constant(inputs.x), self.tf.constant(target)
        return lambda: compiled(x, target)

    def loss(self, inputs: Inputs) -> Call:
        call = self.call(self.mean_loss, inputs)
        return lambda: call().numpy()

    def gradient(self, inputs: Inputs) -> Call:
        call = self.call(self.with_gradient, inputs)

        def finished() -> tuple[Any, Any]:
            loss, gradient = call()
            return loss.numpy(), gradient

        return finished


class ONNXRuntime(Peer):
    """The operator SoftmaxCrossEntropyLoss; without its training build it has no gradients, so that is a graph."""

    name, package = "ONNX Runtime", "onnxruntime"
    arena = True  # its pool of memory

    LOSS = "model ({t}[{shape}] x, int64[{rows}] y) => ({t} loss) {{ loss = SoftmaxCrossEntropyLoss(x, y) }}"
    GRADIENT = """model ({t}[{shape}] x, int64[{rows}] y, {t}[1] n) => ({t} loss, {t}[{shape}] g) {{
        one = Constant<value = int64[1] {{1}}>()
        labels = Unsqueeze(y, one)
        p = Softmax<axis = 1>(x)
        at_label = GatherElements<axis = 1>(p, labels)
        logs = Log(at_label)
        mean = ReduceMean<keepdims = 0>(logs)
        loss = Neg(mean)
        scaled = Div(p, n)
        like_labels = Shape(labels)
        minus_one = Neg(n)
        share = Reciprocal(minus_one)
        shares = Expand(share, like_labels)
        g = ScatterElements<axis = 1, reduction = "add">(scaled, labels, shares)
    }}"""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import onnx.parser
        import onnxruntime

        self.parse, self.runtime = onnx.parser.parse_model, onnxruntime

    def call(self, graph: str, inputs: Inputs, **more: Array) -> Call:
        if inputs.work.distribution or inputs.work.dtype not in ("f32", "f64"):
            return None
        shape, rows = (", ".join(map(str, each.shape)) for each in (inputs.x, inputs.target))
        kind = {"f32": "float", "f64": "double"}[inputs.work.dtype]
        model = self.parse(
            '<ir_version: 9, opset_import: ["" : 18]>' + graph.format(t=kind, shape=shape, rows=rows)
        )
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.enable_cpu_mem_arena = self.arena
        session = self.runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        feed = {"x": inputs.x, "y": inputs.target, **more}
        return lambda: session.run(None, feed)

    def loss(self, inputs: Inputs) -> Call:
        call = self.call(self.LOSS, inputs)
        return call and (lambda: call()[0])

    def gradient(self, inputs: Inputs) -> Call:
        return self.call(self.GRADIENT, inputs, n=np.array([inputs.work.rows], inputs.x.dtype))


PEERS: list[type[Peer]] = [
    NumPy,
    SciPy,
    ScikitLearn,
    Torch,
    TorchCompile,
    TorchCompileInPlace,
    JAX,
    TensorFlow,
    ONNXRuntime,
]
