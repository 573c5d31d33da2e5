"""Long calls that an exception from a signal handler, such as KeyboardInterrupt, can end."""

from __future__ import annotations

import _thread
from collections.abc import Callable
from ctypes import c_int32
from typing import Any, TypeVar

Result = TypeVar("Result")


class Cancel(c_int32):
    """The flag that ends a call; and what the library has in use until it has seen the flag."""

    def __init__(self, *kept: Any) -> None:
        c_int32.__init__(self, 0)  # super() has Python 3.11 refuse the class, for what ctypes makes of it
        self.kept = kept


def run(call: Callable[[], Result], cancel: Cancel) -> Result:
    """The result of ``call``, which is made in another thread: Python runs signal handlers in the main thread, and only
    while that executes Python code or waits for a lock.

    An exception from a signal handler sets ``cancel``, which makes ``call`` return soon, and is raised when that has
    happened; of several the newest is raised. Signals may come between any two instructions, so nothing here can be
    left half done by one: locks are waited for in C, where an exception leaves them as they were
    (`threading.Event.wait` may leave its own locked), and no lock tells whether the call has ended.
    """
    turn = {"call": call}  # who takes it makes the call, or sees to it that nobody does
    results: list[Result] = []
    ended: list[bool] = []
    running = _thread.allocate_lock()
    running.acquire()

    def work() -> None:
        mine = turn.pop("call", None)
        if mine is None:
            return
        try:
            results.append(mine())
        finally:
            ended.append(True)
            running.release()

    try:
        try:
            _thread.start_new_thread(work, ())
        except RuntimeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                raise  # from a signal handler, which has a frame of its own
            work()  # No further thread can be had, so this call cannot be interrupted.
        while not ended:
            running.acquire()
    except BaseException as interrupt:
        cancel.value = 1
        newest = interrupt
        if turn.pop("call", None) is None:  # The caller's arrays are in use until the thread has seen the request.
            while not ended:
                try:
                    running.acquire()
                except BaseException as another:
                    newest = another
        try:
            raise newest
        finally:
            del newest  # Its traceback holds this frame, which would hold it, and the caller's arrays, in turn.
    return results[0]
