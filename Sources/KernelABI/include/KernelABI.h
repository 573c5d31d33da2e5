// The interface between Core and the kernel modules. Each kernel module is the same Swift source, built for another
// instruction set. Core reaches it only through the table of KernelTable.h and never imports it, so that no code that
// is compiled for one instruction set can get into another. Arguments and results of kernels are declared here in C, so
// that both sides see the same layout.
#ifndef CROSSENTROPY_KERNEL_ABI_H
#define CROSSENTROPY_KERNEL_ABI_H

#include "Numbers.h"
#include "RowKernels.h"
#include "GroupKernels.h"
#include "ShortRowKernels.h"
#include "PairKernels.h"
#include "BinaryKernels.h"
#include "KernelTable.h"
#include "PartialStatistics.h"

#endif
