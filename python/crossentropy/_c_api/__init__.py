"""The C library, in rooms: ``library`` finds and loads it; ``header`` repeats its structures and constants,
``functions`` its functions; ``frames`` is the memory for the structures of a call, ``interrupts`` ends a long one, and
``calls`` makes it.

Only these modules, and `_dlpack`, know ctypes.
"""
