// The wall between Core and the kernel modules. Each kernel module is the same Swift source built for another instruction set. Core
// reaches it through the table of KernelTable.h alone and never imports it, so that no compiled code can wander from one instruction
// set into another. What a kernel is told, and what it answers, is laid out here in C, which both sides see alike.
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
