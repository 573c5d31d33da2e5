"""Exceptions from signal handlers in the middle of a long call: raised, once the call has ended, and never lost."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import crossentropy as ce
from crossentropy import _arguments


def run(program: str) -> str:
    """What another Python prints, which a call that hangs cannot hold up."""
    environment = {"PYTHONPATH": str(Path(ce.__file__).parent.parent), "PATH": ""}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, f"{result.stdout} {result.stderr}"
    return result.stdout.strip()


AT_ANY_INSTRUCTION = """
import ctypes, faulthandler, sys, time
from crossentropy._c_api import calls, interrupts

faulthandler.dump_traceback_later(240, exit=True)

class Interrupt(BASE):
    pass

class Call:
    '''In place of the library's function: takes some time, and less when it is told to stop.'''

    def __init__(self):
        self.cancel, self.begun, self.ended = interrupts.Cancel(), 0, 0

    def __call__(self):
        self.begun += 1
        for _ in range(5):
            if self.cancel.value:
                break
            time.sleep(0.001)
        self.ended += 1
        return 0

made, raised, number = [], 0, 0
while True:
    number += 1
    events = 0

    def trace(frame, event, argument):
        global events
        frame.f_trace_opcodes = True
        if event == 'opcode' and frame.f_code.co_name not in ('__call__', 'work'):
            events += 1
            if events == number:
                sys.settrace(None)
                raise Interrupt
        return trace

    call = Call()
    sys.settrace(trace)
    try:
        calls.run(call, (), call.cancel)
    except Interrupt:
        raised += 1
        sys.settrace(None)
    else:
        sys.settrace(None)
        assert events < number, f'the exception at instruction {number} was lost'
        break
    assert call.begun == call.ended <= 1, f'left at instruction {number} while the call was running'
    made.append(call)
assert all(call.begun == call.ended <= 1 for call in made), 'a call was made after its end'
assert any(call.begun == 0 for call in made) and any(call.begun for call in made)
print(raised)
"""


@pytest.mark.parametrize("base", ["BaseException", "RuntimeError"])
def test_an_exception_at_any_instruction_is_raised_after_the_end(base: str) -> None:
    """A RuntimeError, as starting a thread may raise one too."""
    assert int(run(AT_ANY_INSTRUCTION.replace("BASE", base))) > 50


TWO_SIGNALS = """
import faulthandler, signal, threading, time
from crossentropy._c_api import calls, interrupts

faulthandler.dump_traceback_later(60, exit=True)

class First(Exception):
    pass

class Second(Exception):
    pass

def handler(number, frame):
    raise First if number == signal.SIGUSR1 else Second

signal.signal(signal.SIGUSR1, handler)
signal.signal(signal.SIGUSR2, handler)
cancel, main, ended = interrupts.Cancel(), threading.main_thread().ident, []

def call():
    time.sleep(0.05)
    signal.pthread_kill(main, signal.SIGUSR1)
    while not cancel.value:
        time.sleep(0.001)
    time.sleep(0.05)
    signal.pthread_kill(main, signal.SIGUSR2)
    time.sleep(0.05)
    ended.append(True)
    return 0

try:
    calls.run(call, (), cancel)
except Exception as error:
    print(type(error).__name__, type(error.__context__).__name__, ended)
"""


def test_the_newer_of_two_exceptions_is_raised_with_the_older_one_as_its_context() -> None:
    """As in any Python: a SIGTERM whose handler raises SystemExit ends a program that Ctrl-C did not."""
    assert run(TWO_SIGNALS) == "Second First [True]"


def test_a_long_call_works_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_arguments, "INTERRUPTIBLE_FROM", 0)
    before = threading.stack_size(1 << 50)  # more than there are addresses
    try:
        with pytest.raises(RuntimeError, match="can't start new thread"):
            threading.Thread(target=int).start()
        assert ce.cross_entropy([[0.0, 0.0]], [1]) == pytest.approx(np.log(2))
        with pytest.raises(ce.LabelError, match="label 2"):
            ce.cross_entropy([[0.0, 0.0]], [2])
    finally:
        threading.stack_size(before)
