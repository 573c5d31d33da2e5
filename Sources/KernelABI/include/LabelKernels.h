// Kernels for labels that follow one another, before they are looked up.
#ifndef CROSSENTROPY_LABEL_KERNELS_H
#define CROSSENTROPY_LABEL_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

// How many labels are not `ignored`, if any label is ignored; -1 if another one is not a class.
typedef int64_t (*crossentropy_count_labels_kernel)(
    const void *labels, int64_t count, int64_t classes, bool ignores, int64_t ignored);

typedef struct crossentropy_label_kernels {
    crossentropy_count_labels_kernel count64;  // labels of int64
    crossentropy_count_labels_kernel count32;  // labels of int32
    void (*widen)(const void *labels, int64_t count, int64_t *copy);  // of int32 to int64
} crossentropy_label_kernels;

#endif
