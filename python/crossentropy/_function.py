"""What a public function is: its arguments, and the settings of its calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from operator import is_
from typing import Any, NoReturn, TypeVar

from . import _hints, _messages, _repeated
from ._arrays import MISSING
from ._c_api.frames import NO_SETTINGS, Settings
from ._errors import ArgumentTypeError
from ._options import REQUIRED, Option

F = TypeVar("F", bound=Callable[..., Any])


class Function:
    """A public function: its arguments, and how it is computed."""

    def __init__(
        self,
        name: str,
        positional: tuple[Option, ...],
        keywords: tuple[Option, ...],
        *,
        body: str = "",
        call: Any = None,
        fixed: Settings = NO_SETTINGS,
        per_element: bool = False,
        with_grad: bool = False,
        like: Function | None = None,
    ) -> None:
        self.name = name
        self.positional, self.keywords = positional, keywords
        self.body = body  # the Python function that computes it, where `make signatures` writes the call
        self.call = call  # the library's
        self.fixed = fixed  # fields of the library's options that all its calls have
        self.per_element = per_element  # instead of per row
        self.with_grad = with_grad
        self.like = like  # the function to whose documentation its own refers
        self.options = tuple(option for option in keywords if option.convert is not None)
        self.first = positional[0].name
        # Its names for arguments, where the header's are others.
        self.names = {**_messages.ARRAYS, "input": self.first}
        # The objects that a call has which leaves the options alone: see `public`.
        self.defaults: tuple[Any, ...] = tuple(option.default for option in self.options)
        # The options of the last call of other ones, if these cannot change, and their settings: a loop has the same.
        self.last: tuple[tuple[Any, ...], Settings] = self.defaults, fixed

    def keyword(self, name: str) -> Option:
        return next(option for option in self.keywords if option.name == name)

    def settings(self, values: tuple[Any, ...]) -> Settings:
        """Those of a call whose options, in the order of the table, have these values."""
        if all(map(is_, values, self.defaults)):
            return self.fixed
        known, settings = self.last
        if all(map(is_, values, known)):
            return settings
        settings, is_constant = dict(self.fixed), True
        for option, value, default in zip(self.options, values, self.defaults):
            if value is not default:
                settings.update(option.convert(option, value))  # type: ignore[misc]
                is_constant = is_constant and value.__class__ in _repeated.CONSTANT
        if is_constant:
            self.last = values, settings
        return settings

    def named_settings(self, values: Mapping[str, Any]) -> Settings:
        """Those of a call whose options have these plain values, by their names; others are at their defaults."""
        settings = dict(self.fixed)
        for option in self.options:
            value = values.get(option.name, option.default)
            if value.__class__ is not option.default.__class__ or value != option.default:
                settings.update(option.convert(option, value))  # type: ignore[misc]
        return settings

    def refuse(self, unknown: Mapping[str, Any]) -> NoReturn:
        """Arguments that it does not have."""
        name = next(iter(unknown))
        from ._accepts import FUNCTIONS  # only here, as these are made of this class

        hint = _hints.of_unknown(self, name, FUNCTIONS)
        raise ArgumentTypeError(f"{self.name.rpartition('.')[2]}() got an unexpected keyword argument '{name}'{hint}")

    def public(self, function: F) -> F:
        """The Python function itself, whose defaults are known from then on: a plain call has the same objects.

        That an argument is missing is found where it is used, after `refuse`: a call with other names for arguments is
        told these. To readers of the signature it is required all the same.
        """
        defaults: Any = function.__kwdefaults__
        # `make signatures`, which writes a new option into the signature, imports the function before that.
        self.defaults = tuple(defaults.get(option.name, option.default) for option in self.options)
        function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        function.__defaults__ = tuple(
            MISSING if option.default is REQUIRED else option.default for option in self.positional
        )
        return _repeated.OfArrays(self).before(function) if self.body == "loss" else function
