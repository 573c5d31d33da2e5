"""Makes Tests/Vectors/vectors.json: what cross-entropy must give for the cases of Tests/Vectors/cases.

    python tools/make_vectors.py            write the file, and digests of it and of these sources beside it
    python tools/make_vectors.py --check    exit with 1 if the file is not what would be written

The expected values come from the formulas as they stand in the books, in mpmath, with so many
digits that no rearrangement is needed (tools/vectors); nothing is shared with the library. Needs mpmath
alone, and gives the same bytes on every run. That takes minutes; tools/check_vectors.py says at once whether these
sources made the file.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from mpmath import mp

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "Tests" / "Vectors")]
import cases  # noqa: E402  (lies beside the data, not beside this script)
from tools.check_vectors import DIGESTS, VECTORS, digest_of_sources, lines  # noqa: E402
from tools.vectors import binary, cross_entropy, hessian, kl_divergence  # noqa: E402
from tools.vectors.exact import FORMATS, digits, rounded  # noqa: E402
from tools.vectors.header import DEFAULTS, HEADER  # noqa: E402
from tools.vectors.statistics import statistics  # noqa: E402
from tools.vectors.text import json_text  # noqa: E402

EXPECTED = {
    "cross_entropy": cross_entropy.expected,
    "binary_cross_entropy": binary.expected,
    "kl_divergence": kl_divergence.expected,
    "hessian_vector_product": hessian.expected,
    "hessian_diagonal": hessian.expected,
}

# Tensors whose numbers a case may give as a list, with the prefix of their other fields.
TENSORS = {
    "x": "", "target": "target_", "target_probs": "target_probs_", "weight": "weight_", "pos_weight": "pos_weight_",
    "sample_weight": "sample_weight_", "prior": "prior_", "grad_losses": "grad_losses_", "vector": "vector_",
}  # fmt: skip

FIELD_ORDER = [
    "name", "why", "level", "loss_function", "dtype", "shape", "class_axis", "strides", "offset", "buffer_size",
    "x", "target_dtype", "target_shape", "target_strides", "target_offset", "target",
    "target_probs_dtype", "target_probs_shape", "target_probs_strides", "target_probs_offset", "target_probs",
    "target_offsets", "weight_dtype", "weight_shape", "weight_strides", "weight_offset", "weight",
    "pos_weight_dtype", "pos_weight_shape", "pos_weight_strides", "pos_weight_offset", "pos_weight",
    "sample_weight_dtype", "sample_weight_shape", "sample_weight_strides", "sample_weight_offset",
    "sample_weight", "prior_dtype", "prior_shape", "prior_strides", "prior_offset", "prior",
    "mask_dtype", "mask_shape", "mask", "ignore_indices_dtype",
    "ignore_indices_shape", "ignore_indices", "grad_losses_dtype", "grad_losses_shape",
    "grad_losses", "vector_dtype", "vector_shape", "vector_strides", "vector_offset", "vector",
    "options", "loss_dtype", "grad_dtype", "outputs", "status", "message_contains",
    "loss", "loss_tol", "grad_at", "grad", "grad_tol", "grad_target", "grad_target_tol", "statistics",
]  # fmt: skip


def finished(case: dict[str, Any]) -> dict[str, Any]:
    """A case as it stands in the file: numbers rounded, options gathered, expectations added."""
    case = dict(case)
    case["options"] = {key: case.pop(key) for key in DEFAULTS if key in case}
    case["options"] = {k: v for k, v in case["options"].items() if v != DEFAULTS[k]}
    for key, prefix in TENSORS.items():
        dtype = case.get(prefix + "dtype")
        if isinstance(case.get(key), list) and dtype in FORMATS:
            case[key] = [rounded(value, dtype) for value in case[key]]
    case.setdefault("status", "CE_OK")
    if case["status"] == "CE_OK":
        with mp.workdps(digits(case)):
            case.update(EXPECTED[case.get("loss_function", "cross_entropy")](case))
            case.update(statistics(case))
    elif case["status"] == "CE_ERROR_EMPTY":
        case.setdefault("message_contains", [])
    if "grad_target" in case:
        case.setdefault("grad_target_tol", [])
    first = [key for key in FIELD_ORDER if key in case]
    assert len(first) == len(case), set(case) - set(first)
    return {key: case[key] for key in first}


def case_text(case: dict[str, Any]) -> str:
    lines = [f"    {json.dumps(key)}: {json_text(value)}" for key, value in finished(case).items()]
    return "  {\n" + ",\n".join(lines) + "\n  }"


def file_text() -> str:
    with ProcessPoolExecutor() as processes:
        blocks = list(processes.map(case_text, cases.all_cases(), chunksize=4))
    header = json.dumps(HEADER, indent=2)
    return f'{{\n"header": {header},\n"cases": [\n' + ",\n".join(blocks) + "\n]\n}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes or checks Tests/Vectors/vectors.json.")
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    arguments = parser.parse_args()
    sources = digest_of_sources()  # before they are run, in case one changes meanwhile
    text = file_text()
    count = text.count('"name":') - 1
    if not arguments.check:
        VECTORS.write_text(text, encoding="utf-8")
        DIGESTS.write_text("\n".join([*lines(sources, text.encode()), ""]), encoding="ascii")
        print(f"{VECTORS.name}: {count} cases, {len(text)} bytes")
        return 0
    if VECTORS.exists() and VECTORS.read_bytes() == text.encode():
        print(f"{VECTORS.name} is current: {count} cases")
        print("1 passed, 0 failed")
        return 0
    print(f"{VECTORS.name} is not what tools/make_vectors.py makes; run it", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
