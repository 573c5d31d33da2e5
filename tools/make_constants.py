#!/usr/bin/env python3
"""Derives the constants of Exp, ShortExp, Cap, Log, Logistic, LogitsDivergence and Slice.swift in Sources/Kernels.

    python tools/make_constants.py

prints them as hexadecimal floating-point literals with the approximation error of each polynomial. The
polynomials are Chebyshev fits of the part of the function that remains after the leading terms, which are
exact; so the error relative to the function is far below that of the fit.
"""

from __future__ import annotations

import struct

import mpmath as mp

mp.mp.dps = 60


def round_to(value: mp.mpf, single: bool) -> mp.mpf:
    """value, rounded to nearest binary32 or binary64."""
    as_double = float(value)
    if single:
        return mp.mpf(struct.unpack("f", struct.pack("f", as_double))[0])
    return mp.mpf(as_double)


def literal(value: mp.mpf) -> str:
    return float(value).hex()


def fit(function, interval, degree: int, single: bool) -> list[mp.mpf]:
    """Coefficients of a near-minimax polynomial, lowest power first, rounded to the type."""
    coefficients = mp.chebyfit(function, interval, degree + 1)
    return [round_to(c, single) for c in reversed(coefficients)]


def show(title: str, names: list[tuple[str, mp.mpf]], note: str) -> None:
    print(f"// {title}: {note}")
    for name, value in names:
        print(f"{name} = {literal(value)}")
    print()


def exp2_constants(single: bool, degree: int) -> None:
    """2^r = 1 + r P(r) on [-1/2, 1/2], widened a little for the rounding of n; for ShortExp.swift and Cap.swift."""
    half = mp.mpf("0.5005")
    rest = lambda r: (mp.mpf(2) ** r - 1) / r if r else mp.log(2)  # noqa: E731
    p = fit(rest, [-half, half], degree - 1, single)
    worst = max(
        abs((1 + r * mp.polyval(list(reversed(p)), r)) / mp.mpf(2) ** r - 1) for r in mp.linspace(-half, half, 2001)
    )
    names = [(f"c{i + 1}", c) for i, c in enumerate(p)]
    show("2^r f32" if single else "2^r f64", names, f"approximation error 2^{float(mp.log(worst, 2)):.1f}")


def exp_constants(single: bool, degree: int) -> None:
    """exp(r) = 1 + r + r^2 * P(r) on [-ln2/2, ln2/2], widened a little for the rounding of n."""
    half = mp.log(2) / 2 * mp.mpf("1.001")
    rest = lambda r: (mp.exp(r) - 1 - r) / (r * r) if r else mp.mpf("0.5")  # noqa: E731
    p = fit(rest, [-half, half], degree - 2, single)
    worst = max(
        abs((1 + r + r * r * mp.polyval(list(reversed(p)), r)) / mp.exp(r) - 1) for r in mp.linspace(-half, half, 2001)
    )
    high = round_to(mp.log(2), single)
    low = round_to(mp.log(2) - high, single)
    names = [("log2e", round_to(1 / mp.log(2), single)), ("ln2High", high), ("ln2Low", low)]
    names += [(f"c{i + 2}", c) for i, c in enumerate(p)]
    show(
        "exp f32" if single else "exp f64",
        names,
        f"approximation error 2^{float(mp.log(worst, 2)):.1f}",
    )


def log_constants(degree: int) -> None:
    """log((1+s)/(1-s)) = 2s + s^3 * P(s^2), |s| <= (sqrt(2)-1)/(sqrt(2)+1)."""
    limit = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mp.mpf("1.001")

    def rest(t):
        if t == 0:
            return mp.mpf(2) / 3
        s = mp.sqrt(t)
        return (mp.log((1 + s) / (1 - s)) - 2 * s) / s**3

    p = fit(rest, [mp.mpf(0), limit], degree, single=False)
    worst = mp.mpf(0)
    for t in mp.linspace(limit / 1000, limit, 1000):
        s = mp.sqrt(t)
        value = 2 * s + s**3 * mp.polyval(list(reversed(p)), t)
        worst = max(worst, abs(value / mp.log((1 + s) / (1 - s)) - 1))
    high = mp.mpf(round(mp.log(2) * 2**32)) / 2**32  # 32 bits: k * ln2High is exact for every exponent k
    low = round_to(mp.log(2) - high, single=False)
    names = [("ln2High", high), ("ln2Low", low)] + [(f"c{i}", c) for i, c in enumerate(p)]
    show("log f64", names, f"approximation error 2^{float(mp.log(worst, 2)):.1f}")


def log1p_constants(degree: int) -> None:
    """log1p(e) = e + e^2 Q(e) on [0, 1]."""
    rest = lambda e: (mp.log1p(e) / e - 1) / e if e else mp.mpf("-0.5")  # noqa: E731
    q = fit(rest, [0, 1], degree, single=True)
    points = mp.linspace(mp.mpf(1) / 1000, 1, 1000)
    worst = max(abs((e + e * e * mp.polyval(list(reversed(q)), e)) / mp.log1p(e) - 1) for e in points)
    names = [(f"c{i + 2}", c) for i, c in enumerate(q)]
    show("log1p f32", names, f"approximation error 2^{float(mp.log(worst, 2)):.1f}")


def phi_constants(degree: int) -> None:
    """phi(-d) = exp(-d) - 1 + d = d^2 G(d) on [-3/2, 3/2]."""
    rest = lambda d: (mp.exp(-d) - 1 + d) / (d * d) if abs(d) > 1e-15 else mp.mpf("0.5")  # noqa: E731
    g = fit(rest, [mp.mpf(-1.5), mp.mpf(1.5)], degree, single=True)
    worst = max(abs(mp.polyval(list(reversed(g)), d) / rest(d) - 1) for d in mp.linspace(-1.5, 1.5, 2001))
    show("phi f32", [(f"c{i}", c) for i, c in enumerate(g)], f"approximation error 2^{float(mp.log(worst, 2)):.1f}")


def long_log2e() -> None:
    """log2(e) - 1 to 128 bits, for exponents of logits far beyond 2^40 (Slice.swift)."""
    bits = int(mp.floor((1 / mp.log(2) - 1) * mp.mpf(2) ** 128))
    print(f"// log2(e) - 1 in units of 2^-128\nhigh = {bits >> 64:#018x}\nlow = {bits & (2**64 - 1):#018x}\n")


if __name__ == "__main__":
    exp_constants(single=True, degree=6)
    exp_constants(single=False, degree=12)
    exp2_constants(single=True, degree=6)
    exp2_constants(single=False, degree=8)
    log_constants(degree=7)
    log1p_constants(degree=8)
    phi_constants(degree=8)
    long_log2e()
