"""The short way of calls that repeat an earlier one: plain arrays of the same dtypes and shapes, the same options.
Memory for results, as ``grad``, is of the same dtype and shape too, and need not be the same.

Nothing is checked here. What the checks look at is the same as in the earlier call, which passed them; but for the
numbers in arrays, which the library looks at in each call. What it refuses is left to the long way, which finds the
same and says it.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from operator import is_
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from . import _arguments
from ._c_api.header import DTYPES
from ._c_api.prepared import PreparedLoss
from ._types import Array

if TYPE_CHECKING:
    from ._function import Function

F = TypeVar("F", bound=Callable[..., Any])

# Up to this many elements some microseconds are felt, and no call is so long that it has to be interruptible.
LARGEST = 1 << 18
# That are known at a time, of all functions. Each has some 20 KB for each thread that makes such calls.
KINDS = 64

# For each kind of call, those that are prepared, with the values of their options. A call takes one and puts it back,
# so that no two at a time have the same one, be they of two threads or of a signal handler in the middle of another
# call. The first call of a kind enters it and the second one is prepared for, as many a shape does not come again.
kinds: dict[tuple[Any, ...], list[tuple[tuple[Any, ...], Any]]] = {}

# Classes of options that cannot change.
CONSTANT = {int, float, str, bool, type(None)}

NO_OUTPUTS: dict[str, Any] = {}


class Repeated(ABC):
    """The short way of one function of x, target and options."""

    outputs: tuple[str, ...] = ()  # options that are arrays of NumPy for results

    @abstractmethod
    def kind(self, x: Any, target: Any) -> tuple[Any, ...] | None:
        """All that a call has in common with those that it can repeat, but for the options; None if it has to go the
        long way."""

    @abstractmethod
    def is_possible(self, x: Any, target: Any, options: dict[str, Any]) -> bool:
        """Whether there is a short way for calls of this kind with these options, which are constants."""

    @abstractmethod
    def prepared(self, x: Any, target: Any, options: dict[str, Any], results: Any) -> Any:
        """What has a method ``results(x, target, **outputs)``, made from a call that had these ``results``; None if it
        cannot be made from these arrays. ``options`` are those that are no outputs. The method returns None if its call
        has to go the long way; it has changed nothing then that the long way reads."""

    def before(self, long_way: F) -> F:
        """The function that tries the short way before the long one."""
        kind_of, names = self.kind, self.outputs

        @functools.wraps(long_way)
        def call(*arguments: Any, **options: Any) -> Any:
            if len(arguments) != 2:
                return long_way(*arguments, **options)
            x, target = arguments
            kind = kind_of(x, target)
            if kind is None:
                return long_way(x, target, **options)
            constants, outputs = options, NO_OUTPUTS
            if options:
                for name in names:
                    array = options.get(name)
                    if array is not None:
                        if array.__class__ is not _ndarray:
                            return long_way(x, target, **options)
                        if constants is options:
                            constants, outputs = options.copy(), {}
                        outputs[name] = constants.pop(name)
                        kind = *kind, name, array.dtype, array.shape
                kind = *kind, *constants.items()
            try:
                ready = kinds.get(kind)
                taken = ready.pop() if ready else None
            except (TypeError, IndexError):  # options that are arrays; the last one, just taken by another thread
                return long_way(x, target, **options)
            if ready is not None and taken is not None:
                values, prepared = taken
                # Equal options may be of another type, or zeros of another sign.
                is_same = not constants or all(map(is_, values, constants.values()))
                results = prepared.results(x, target, **outputs) if is_same else None
                ready.append(taken)
                return long_way(x, target, **options) if results is None else results
            results = long_way(x, target, **options)
            if ready is not None:
                prepared = self.prepared(x, target, constants, results)
                if prepared is not None:
                    ready.append((tuple(constants.values()), prepared))
            elif self.is_possible(x, target, constants) and all(
                each.__class__ in CONSTANT for each in constants.values()
            ):
                if len(kinds) >= KINDS:
                    kinds.clear()
                kinds[kind] = []
            return results

        return cast(F, call)


_ndarray = np.ndarray


class OfArrays(Repeated):
    """That of a loss of NumPy's arrays."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.outputs = tuple(option.name for option in function.keywords if option.name in ("out", "grad"))
        self.names = {"axis", *self.outputs, *(option.name for option in function.options)}

    def kind(self, x: Any, target: Any) -> tuple[Any, ...] | None:
        if x.__class__ is not _ndarray or target.__class__ is not _ndarray:
            return None
        return self, x.dtype, x.shape, target.dtype, target.shape

    def is_possible(self, x: Array, target: Array, options: dict[str, Any]) -> bool:
        return x.size <= LARGEST and x.dtype in DTYPES and target.dtype in DTYPES and self.names.issuperset(options)

    def prepared(self, x: Array, target: Array, options: dict[str, Any], results: Any) -> PreparedLoss | None:
        if not (x.flags.c_contiguous and target.flags.c_contiguous):
            return None
        function = self.function
        axis = _arguments.axis(options.get("axis", -1), x.ndim, function.first, function.per_element)
        values = (options.get(option.name, default) for option, default in zip(function.options, function.defaults))
        loss, grad = results if function.with_grad else (results, None)
        if not all(each.flags.c_contiguous for each in (loss, grad) if each.__class__ is _ndarray):
            return None
        return PreparedLoss(function.call, x, axis, target, function.settings(tuple(values)), loss, grad)
