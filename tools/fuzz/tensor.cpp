#include "tensor.h"

#include <algorithm>
#include <cstring>

int64_t product(const Lengths &lengths) {
    int64_t result = 1;
    for (int64_t length : lengths) result *= length;
    return result;
}

Lengths without(const Lengths &shape, int axis) {
    Lengths others = shape;
    if (!others.empty()) others.erase(others.begin() + axis);
    return others;
}

int64_t length_of(const Lengths &shape, int axis) { return shape.empty() ? 1 : shape[static_cast<size_t>(axis)]; }

int32_t grad_type(Bytes &bytes, int32_t dtype) {
    return (dtype == CE_F16 || dtype == CE_BF16) && bytes.one_in(2) ? CE_F32 : dtype;
}

Arrangement Arrangement::contiguous(const Lengths &shape) {
    Arrangement made;
    made.strides.resize(shape.size());
    int64_t step = 1;
    for (size_t d = shape.size(); d-- > 0;) {
        made.strides[d] = step;
        step *= std::max<int64_t>(shape[d], 1);
    }
    return made;
}

Arrangement Arrangement::decode(Bytes &bytes, const Lengths &shape, size_t element, bool distinct) {
    Arrangement made = contiguous(shape);
    const unsigned kind = bytes.byte();
    made.at_end = (kind & 1) == 0;
    made.spelled = (kind & 2) != 0;
    if (kind & 4) made.shift = bytes.byte() % 16;
    if ((kind & 8) == 0 || shape.empty()) return made;
    made.spelled = true;
    // From the fastest dimension on, each steps beyond what the former ones reach.
    std::vector<size_t> order(shape.size());
    for (size_t d = 0; d < order.size(); d++) order[d] = d;
    const unsigned how = bytes.byte();
    if (how & 1) {
        std::rotate(order.begin(), order.begin() + bytes.below(static_cast<unsigned>(order.size())), order.end());
    }
    if (how & 2) std::reverse(order.begin(), order.end());
    const unsigned padded = how & 4 ? bytes.byte() : 0, negative = how & 8 ? bytes.byte() : 0;
    const unsigned repeated = how & 16 && !distinct ? bytes.byte() : 0;
    const int64_t pad = how & 4 ? 1 + bytes.below(5) : 0;
    const bool overlapping = (how & 32) && !distinct;  // windows that slide over the same numbers
    int64_t step = 1;
    for (size_t i = order.size(); i-- > 0;) {
        const size_t d = order[i];
        const unsigned bit = 1u << (d % 8);
        if (padded & bit) step += pad;
        made.strides[d] = negative & bit ? -step : step;
        if (repeated & bit) {
            made.strides[d] = 0;
        } else if (!overlapping) {
            step += (std::max<int64_t>(shape[d], 1) - 1) * step;
        }
    }
    int64_t reach = 1;
    for (size_t d = 0; d < shape.size(); d++) reach += (std::max<int64_t>(shape[d], 1) - 1) * std::abs(made.strides[d]);
    if (reach * static_cast<int64_t>(element) > static_cast<int64_t>(memory::largest) / 2) return contiguous(shape);
    return made;
}

void Tensor::make(int32_t type, const Lengths &lengths, const Arrangement &arrangement) {
    present = true;
    dtype = type;
    shape = lengths;
    strides = arrangement.strides;
    spelled = arrangement.spelled;
    const int64_t element = static_cast<int64_t>(size_of(dtype));
    const int64_t elements = product(shape);
    int64_t low = 0, high = 0;
    for (size_t d = 0; d < shape.size() && elements > 0; d++) {
        const int64_t reach = (shape[d] - 1) * strides[d];
        (reach < 0 ? low : high) += reach;
    }
    block = memory::take(static_cast<size_t>(elements > 0 ? (high - low + 1) * element : 0), arrangement.at_end,
                         arrangement.shift);
    // What lies between elements is no number.
    memset(block.base, 0xff, block.size);
    data = block.base - low * element;
    places.resize(static_cast<size_t>(elements));
    Lengths index(shape.size(), 0);
    int64_t place = 0;
    for (size_t i = 0; i < places.size(); i++) {
        places[i] = place * element;
        for (size_t d = shape.size(); d-- > 0;) {
            place += strides[d];
            if (++index[d] < shape[d]) break;
            place -= shape[d] * strides[d];
            index[d] = 0;
        }
    }
}

void Tensor::make_in_place_of(Tensor &input) {
    *this = input;
    output = true;
    input.replaced = true;
}

std::vector<Real> Tensor::values() const {
    std::vector<Real> result(count());
    for (size_t i = 0; i < result.size(); i++) result[i] = get(i);
    return result;
}

const ce_tensor *Tensor::argument() {
    if (!present) return nullptr;
    c.data = data;
    c.dtype = wrong_dtype >= 0 ? wrong_dtype : dtype;
    c.ndim = wrong_ndim != -2 ? wrong_ndim : static_cast<int32_t>(shape.size());
    c.shape = shape.empty() ? nullptr : shape.data();
    c.strides = spelled && !strides.empty() ? strides.data() : nullptr;
    return &c;
}

bool Tensor::is_distinct() const {
    std::vector<size_t> order;
    for (size_t d = 0; d < shape.size(); d++) {
        if (shape[d] > 1) order.push_back(d);
    }
    auto step = [this](size_t d) { return std::abs(strides[d]); };
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return step(a) < step(b); });
    int64_t reach = 0;
    for (size_t d : order) {
        if (step(d) <= reach) return false;
        reach += (shape[d] - 1) * step(d);
    }
    return true;
}

void Tensor::snapshot() { before.assign(block.base, block.base + block.size); }

bool Tensor::is_untouched() const {
    return memory::surroundings_intact(block) &&
           (block.size == 0 || memcmp(block.base, before.data(), block.size) == 0);
}

bool Tensor::gaps_are_untouched() const {
    if (!memory::surroundings_intact(block)) return false;
    std::vector<unsigned char> after(before);
    const size_t element = size_of(dtype);
    for (size_t i = 0; i < count(); i++) memcpy(after.data() + (place(i) - block.base), place(i), element);
    return block.size == 0 || memcmp(block.base, after.data(), block.size) == 0;
}

Rows::Rows(const Lengths &shape, int axis) : outer(1), classes(length_of(shape, axis)), step(1) {
    for (size_t d = 0; d < shape.size(); d++) {
        if (static_cast<int>(d) < axis) outer *= shape[d];
        if (static_cast<int>(d) > axis) step *= shape[d];
    }
}
