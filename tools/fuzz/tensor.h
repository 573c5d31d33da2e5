// A tensor of a call: a view of guarded memory, and what that memory held before the call.
#pragma once

#include <cstdint>
#include <vector>

#include "crossentropy.h"
#include "decode.h"
#include "memory.h"
#include "numbers.h"

typedef std::vector<int64_t> Lengths;

int64_t product(const Lengths &lengths);

/// How a tensor lies in memory.
struct Arrangement {
    Lengths strides;
    bool spelled = true;  // false: strides are NULL, which says contiguous
    bool at_end = true;
    size_t shift = 0;

    static Arrangement contiguous(const Lengths &shape);
    /// Of any kind; `distinct`: no two elements at one place, as for outputs.
    static Arrangement decode(Bytes &bytes, const Lengths &shape, size_t element, bool distinct);
};

struct Tensor {
    bool present = false;
    bool output = false;
    bool replaced = false;  // an output lies in the same place
    int32_t dtype = 0;
    Lengths shape, strides;
    bool spelled = true;
    Block block;
    unsigned char *data = nullptr;
    std::vector<int64_t> places;        // of the elements in row-major order, in bytes from `data`
    std::vector<unsigned char> before;  // the block
    ce_tensor c = {};
    int32_t wrong_dtype = -1, wrong_ndim = -2;  // what is said instead, if it is not that

    void make(int32_t dtype, const Lengths &shape, const Arrangement &arrangement);
    /// The same view, as an output.
    void make_in_place_of(Tensor &input);

    size_t count() const { return places.size(); }
    unsigned char *place(size_t i) const { return data + places[i]; }
    Real get(size_t i) const { return load(place(i), dtype); }
    void set(size_t i, Real value) { store(place(i), dtype, value); }
    std::vector<Real> values() const;

    /// Whether no two elements lie at one place, and in nested order.
    bool is_distinct() const;

    /// To pass to a function; NULL if it is not there.
    const ce_tensor *argument();

    /// Remembers the memory.
    void snapshot();
    bool is_untouched() const;
    /// Whether nothing but the elements has changed.
    bool gaps_are_untouched() const;
};

/// Along the axis; a single number is of one class.
int64_t length_of(const Lengths &shape, int axis);

/// A dtype that a gradient with respect to a tensor of this one may have.
int32_t grad_type(Bytes &bytes, int32_t dtype);

/// Where the classes of the rows of a tensor in row-major order are.
struct Rows {
    int64_t outer, classes, step;

    Rows(const Lengths &shape, int axis);
    int64_t count() const { return outer * step; }
    size_t place(int64_t row, int64_t c) const {
        return static_cast<size_t>((row / step * classes + c) * step + row % step);
    }
};

/// A shape without one of its dimensions, if it has any.
Lengths without(const Lengths &shape, int axis);
