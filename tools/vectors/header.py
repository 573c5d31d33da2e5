"""The head of the file: what its fields mean, and where its tolerances come from."""

from __future__ import annotations

from typing import Any

DEFAULTS: dict[str, Any] = {
    "input_type": "logits",
    "reduction": "mean",
    "mean_over": "weight",
    "empty": "nan",
    "ignore_index": -100,
    "label_smoothing": 0.0,
    "mean_divisor": 0.0,
    "clip": 0.0,
    "grad_loss": 1.0,
    "threads": 0,
    "z_loss": 0.0,
    "focal_gamma": 0.0,
    "poly_epsilon": 0.0,
    "softcap": 0.0,
    "logit_scale": 1.0,
    "target_type": "probs",
    "target_rest": "drop",
    "temperature": 1.0,
    "temperature_squared": 0,
    "kl_form": "generalized",
}

HEADER: dict[str, Any] = {
    "what": "Test vectors of crossentropy: calls, and what each must give. Any language can use "
    "them; made by tools/make_vectors.py from the formulas with mpmath, so they hold for any "
    "implementation of the same contract (include/crossentropy.h).",
    "check": "status is the expected one, and for each expected number: both are NaN, or both are "
    "the same infinity, or both are finite and |got - want| <= tol, computed in binary64. No other "
    "tolerance is to be added. After any status but CE_OK no output has changed.",
    "numbers": "JSON numbers, except that NaN and the infinities are the strings 'nan', 'inf' and "
    "'-inf', and integers beyond +-2^53 are strings of their digits. Inputs are exactly the "
    "numbers of their dtype that are meant; wanted numbers have 20 significant digits.",
    "fields": {
        "name": "unique, made of a-z, 0-9 and _",
        "why": "what the case is there to show",
        "level": "'c' where only an interface of raw tensors and codes can state the call; others "
        "may leave the case out",
        "loss_function": "absent: cross_entropy, of each row. binary_cross_entropy: of each element of the input. "
        "kl_divergence: of each row. hessian_vector_product, hessian_diagonal: of each row of cross_entropy; what they "
        "give is in grad, and there is no loss",
        "dtype": "of the input: f32, f64, f16 (binary16) or bf16 (the upper half of a binary32); in error cases "
        "also another name or a bare code",
        "shape": "of the input and the gradient; class_axis says which dimension holds the classes "
        "(default -1); the others, in their order, are the rows",
        "strides, offset": "in elements; element (i, j, ...) is number offset + i*strides[0] + "
        "j*strides[1] + ... of x. Without them x is in row-major order. buffer_size: the length of "
        "a generated x that is not the product of the shape. A gradient goes by the shape in "
        "row-major order",
        "x": "the input's numbers, or a generator",
        "target": "class indices (an integer target_dtype: i8 to i64, u8 to u64) or distributions "
        "(floats), with target_shape, and target_strides and target_offset like the input's. Of binary_cross_entropy "
        "labels 0 and 1, or real numbers, for each element of the input",
        "target_probs": "makes the target sparse: target holds the classes that a row names, target_probs, of "
        "target_shape, their probabilities (or what target_type says), with *_dtype, *_shape, *_strides, *_offset",
        "target_offsets": "of sparse targets with one dimension: row i names entries target_offsets[i] to "
        "target_offsets[i + 1] - 1. Always i64",
        "vector": "of hessian_vector_product: v, with *_dtype, *_shape, *_strides, *_offset",
        "mask, ignore_indices, grad_losses": "rows that count (not 0), labels that are ignored beside ignore_index, "
        "upstream gradients of the rows; with *_dtype and *_shape; absent: all, none, all 1. The row's r is "
        "multiplied by its upstream gradient",
        "weight, sample_weight, prior": "class and row weights, and what label_smoothing smooths towards (absent: 1/C "
        "each), with *_dtype, *_shape, *_strides, *_offset; absent: all 1. Of "
        "binary_cross_entropy sample_weight has the input's shape, and there is pos_weight: for each class, or one "
        "number",
        "options": "each option that is not at its default; see defaults. ignore_index 'none' is "
        "CE_IGNORE_NONE; a bare number in place of an option's name is an unknown code",
        "loss_dtype": "absent: the input's dtype, and f32 for f16 and bf16",
        "grad_dtype": "absent: the input's dtype",
        "outputs": "['loss']: call without a gradient; absent: both",
        "status": "CE_OK or another name of the header's enum",
        "message_contains": "for errors: each text occurs in the error message",
        "loss, loss_tol": "one number, or with reduction none one a row, or of binary_cross_entropy one an element",
        "grad, grad_tol": "the whole gradient in row-major order, or, where grad_at is given, the "
        "elements of those row-major indices",
        "grad_target, grad_target_tol": "where it is there, the call asks for the derivative with respect to the "
        "target, "
        "which is this, in row-major order of target_shape; in error cases it is empty",
        "statistics": "of calls for logits, what ce_compute_row_stats gives (labels only for index targets), one "
        "number a row, in f64, and what ce_softmax and ce_log_softmax give, in the dtype of the input, for the "
        "elements that grad lists; softcap and logit_scale are the case's. lse is also what ce_logsumexp gives in f64",
    },
    "generators": {
        "lcg": "state = seed; for each number: state = (state * 6364136223846793005 + "
        "1442695040888963407) mod 2^64; u = state >> (64 - bits); the number is "
        "(u - 2^(bits-1) + shift) * 2^exponent, exactly representable in the dtype",
        "constant": "every number is this one",
        "set": "afterwards, for each pair [i, value]: number i becomes value",
    },
    "defaults": {"class_axis": -1, **DEFAULTS},
    "tolerances": {
        "rule": "The bounds that the library publishes, with nothing added. C classes; for row i: "
        "a_c = w_c ((1-e) q_c + e/C), A = sum a_c, s its sample weight, p its softmax, "
        "L = s sum a_c (lse - z_c), M = |s| sum |a_c (lse - z_c)| (for other input types the terms "
        "are -a_c log x_c and -a_c x_c), D the mean's divisor (1 for sum and none). f16 and bf16 input has the "
        "bounds of f32.",
        "row": "T = 2 ulp32(M) where M >= 2^-4, else 1e-6 M, for f32 input; 1e-13 M for f64 input; "
        "+ F + h. For f64 input with an f32 loss + ulp32(L)/2.",
        "F": "probabilities below 2^-126 (f32 input) or 2^-1022 (f64) of the row's largest may be "
        "0: F = |s A| (sum of those p), but 0 where the sum of all p but one largest is not below that itself.",
        "h": "half the smallest subnormal number of the output's dtype; of f32 for an f16 or bf16 gradient. A number "
        "that "
        "is exactly 0, with a bound of 0 but for h, has to be 0.",
        "mean, sum": "(sum of the rows' T without h) / |D| + half a unit in the last place of the "
        "result in the loss's dtype + h.",
        "gradient": "b |r| m_c + |r A| f_c + h with r = s grad_loss / D. Index targets without "
        "smoothing, and rows of q with one 1 and else 0: m_c = |A p_c - a_c|. Others: "
        "m_c = max(|A p_c|, |a_c|). b = 1e-13 for f64 input; for f32 1e-6 where p_c >= 1e-6 or "
        "|a_c| >= |A p_c|, else 5e-6. f_c = p_c if it may be 0, else 0; for the class of mass in "
        "rows of the first kind f_c = sum of all p that may be 0. Input types probs and "
        "log_probs: b = 1e-6 or 1e-13, m_c = |a_c / x_c| or |a_c|, f_c = 0. For an f16 or bf16 gradient + half a "
        "unit in the last place of that dtype at the exact value, which is at least 2^-25 (f16) or 2^-134 (bf16).",
        "z_loss, focal_gamma, poly_epsilon": "with v_c = 1 - p_c the row is L = s (sum a_c f_c + z_loss lse^2), "
        "f_c = v_c^gamma ((lse - z_c) + poly_epsilon v_c), and its gradient s (K p_c - a_c b_c), b_c = v_c^gamma (1 + "
        "poly_epsilon p_c + gamma p_c ((lse - z_c) / v_c + poly_epsilon)), K = sum a_c b_c + 2 z_loss lse. All bounds "
        "are multiplied by 1 + gamma. Magnitudes are what comes of the formulas with |poly_epsilon| for poly_epsilon, "
        "|a_c| for a_c and E = |m| + log(sum exp(z - m)), m the largest logit, for |lse|: in M, and K' and b'_c in the "
        "gradient, where m_c = b'_y |p_c - [c = y]| + 2 z_loss E p_c for one-hot rows of mass 1 "
        "(times |a_y|, but for the z-loss), else max(K' p_c, |a_c| b'_c); |A| becomes K' in F and f_c.",
        "softcap, logit_scale": "all of the above is of z_c = softcap tanh(logit_scale x_c / softcap), or "
        "logit_scale x_c without softcap (0), where infinite x_c stay infinite; gradients "
        "are multiplied by dz_c / dx_c. As z_c may be off by t |z_c|, t = 2^-50, T + t sum (K' p_c + |a_c| b'_c) |z_c| "
        "over finite z_c, and for the gradient 2 (1 + gamma) t max |z_c| |r| m_c dz_c / dx_c more.",
        "statistics": "b = 1e-13 for f64 input, else 1e-6; m the largest logit, l = log(sum exp(z - m)); F = the sum "
        "of the p that may be 0; o = 2^-50 max |z_c| with softcap or logit_scale, else 0. lse: b max(|m|, l) + F + o. "
        "max: 2 o + a unit in the last place of f64. entropy: b H + 4 o H + the part of those p + 2 F. p, in softmax "
        "and of the target: (b + 2 o) p, with 5e-6 for b where p < 1e-6 and the input is not f64, + p if it may be 0. "
        "log_softmax: b max(m - z_c, l) + F + 2 o. All + h.",
        "binary_cross_entropy": "an element is a row whose loss is L = s w (a f + b g), a = v y', b = 1 - y', y' = "
        "(1-e) y + e/2, v the pos_weight, w the class's weight; f = (1-p)^gamma (-log p), g = p^gamma (-log(1-p)), p "
        "= 1 / (1 + exp(-x)), or x itself for probs. M = |s w| (|a| f + |b| g), T = B (1 + gamma) M + F + h with B = "
        "1e-6 (f32) or 1e-13 (f64). Its slope is s w (b g' + a f'); the gradient's bound is B (1 + gamma) |r w| (|b "
        "g'| + |a f'|) + |r w| (|a| + |b|) E + h. E = exp(-|x|) where that is below 2^-126 (f32) or 2^-1022 (f64), "
        "else 0; F = |s w| (|a| + |b|) E. Terms with a = 0 or b = 0 are 0. D as for a row, with the sum of s w as "
        "weight.",
        "targets": "a sparse target or one of logits or log-probabilities is the distribution q that it stands for. "
        "For a teacher's logits and log-probabilities q_c may be off by e_c = 1e-14 q_c (logits of magnitude 100 and "
        "more, divided by the temperature: as many times more as they are larger than 100; and by q_c where that is "
        "below 2^-1022 of the largest), with target_rest renormalize by 1e-14 q_c (sum of |q|) / |sum of q| more, and "
        "each class that shares what is left with spread by 2^-51 of its share, and for log-probabilities by 1e-14 "
        "(sum of named q) / (number of such classes) more. What is left is 0 where it is below K 2^-23 (f32) or K "
        "2^-52 (f64), at most 2^-16, for K named classes, and above -2^-16. "
        "With |w_c| (1-e) e_c for a_c the loss's terms and b'_c add up to what the row's T is more, and the gradient's "
        "bound is that sum of b'_c times |r| p_c, and |r| b'_c of the class, more. With a prior e/C is e prior_c.",
        "temperature": "all of the above is of z_c / T; the rule of softcap and logit_scale holds. "
        "temperature_squared: s is multiplied by T^2 wherever it multiplies a loss or a gradient.",
        "grad_target": "of cross_entropy: f_c = lse - z_c, -log x_c or -x_c may be off by b |f_c| with b as for the "
        "statistics, and for logits by F + o_c + sum(p o) more, F the p that may be 0, o_c = 2^-50 |z_c| if they are "
        "capped, scaled or divided. u_c = w_c (1-e) f_c. Probabilities: |r| times that error of u_c. "
        "Log-probabilities: "
        "|r| (q_c E_c + 2 e_c |u_c|), with E_c the error of u_c. Logits: |r| / T (q_c (E_c + sum(q E)) + 2 e_c "
        "(|u_c| + "
        "sum(q |u|))), and NaN in the whole row where sum(q u) is not finite. + h, and for f64 input with an f32 "
        "target "
        "+ ulp32/2.",
        "kl_divergence": "b = 1e-13 where input or target are f64, else 1e-6; V the row's value before s. T = |s| (b V "
        "+ k), k = sum (min(q_c, |q_c - p_c|) t_c + min(q_c, p_c) t_c^2) with t_c = 1e-15 (1 + the larger of |log q_c| "
        "and |log p_c|), over finite ones; with kl_form plain |s| (b sum |q_c d_c| + 1e-15 sum q_c "
        "(1 "
        "+ |log q_c| + |log p_c|)). Logits that are capped, scaled or divided may be off by o_c = 2^-50 |z_c|, a "
        "teacher's that are divided by o = 2^-50 max |t|: + |s| (sum |Q p_c - q_c| o_c + sum |q_c (d_c - sum(q d))| "
        "o). "
        "Probabilities of logits below 2^-126, with b = 1e-13 2^-1022, of the largest may be 0, those of "
        "log-probabilities below 2^-1022, q_c of spread classes "
        "be off as above: with e_c = q_c or that error + |s| sum (p_c + e_c (1 + |d_c|)) of such p_c and e_c. "
        "Gradient: "
        "|r| (b g + 2 max o_c) m_c dz_c / dx_c, m_c = max(Q p_c, q_c) (logits), max(p_c, q_c) (log_probs; q_c with "
        "plain), max(1, q_c / p_c) (probs; q_c / p_c with plain), for b = 1e-13 g = max(1, |logits| / 100) with the "
        "largest finite |z_c| or teacher's |t_c / T|, but at most 1e13, else 1; for logits + |r| (e_c + p_c sum(e) + Q "
        "p_c for such p_c), else + |r| (e_c + such p_c), divided by p_c for probs. grad_target: as for cross_entropy "
        "with u_c = d_c (+ 1 with plain) and E_c = b g (1 + |log "
        "q_c| + |log p_c|) + 2 max o_c + e_c / q_c. Everything is rounded to its dtype once more: + half a unit in its "
        "last place, for f16 and bf16 + half a unit of f32 too.",
        "hessian": "|r| dz/dx^2 (b (|A| p_c S_c + 2 z_loss p_c (M_c + E S_c)) + p_c S_c sum(e) + h'), for v: S_c = "
        "|v_c - v_k| + sum(p |v - v_k|), M_c = sum(p |v|), k the class of the largest logit; for the diagonal: S_c = 1 "
        "- p_c, M_c = p_c. E as above. b = 1e-6, for f64 input 1e-13 max(1, |z| / 100), at most 1, + 4 max o_c; sum(e) "
        "of w_c (1-e) e_c; h' what b is multiplied by where p_c is below 2^-1022 of the largest. + h, for f16 and bf16 "
        "as for gradients.",
        "ulp32": "the unit in the last place of binary32 at that magnitude, at least 2^-149.",
        "rounding": "tolerances are cut, not rounded up, to 6 digits; those below 1e-290 are "
        "rounded up to a binary64 number.",
    },
}
