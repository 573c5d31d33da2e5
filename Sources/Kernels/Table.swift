import KernelABI

// The only entry point of this module: a function that fills a table of C functions. The same file is part of each
// kernel module; only the name of the function differs. It may be called, and the kernels used, only on a processor
// with the module's instruction set. The AVX-512 module replaces entries in a table that the AVX2 module has filled.

#if CROSSENTROPY_KERNELSAVX512
    @_cdecl("crossentropy_kernels_avx512")
    public func kernelTable(_ table: UnsafeMutablePointer<crossentropy_kernels>) { fillTable(table) }
#elseif CROSSENTROPY_KERNELSAVX2
    @_cdecl("crossentropy_kernels_avx2")
    public func kernelTable(_ table: UnsafeMutablePointer<crossentropy_kernels>) { fillTable(table) }
#else
    @_cdecl("crossentropy_kernels_baseline")
    public func kernelTable(_ table: UnsafeMutablePointer<crossentropy_kernels>) { fillTable(table) }
#endif

private func fillTable(_ table: UnsafeMutablePointer<crossentropy_kernels>) {
    let logits: Int32 = 0
    let f32: Int32 = 0
    let f64: Int32 = 1
    crossentropy_set_row_kernels(table, logits, f32, nil) { logitsMass($0!.pointee, Float.self) }
    crossentropy_set_row_kernels(table, logits, f64, nil) { logitsMass($0!.pointee, Double.self) }
    crossentropy_set_group_kernel(table, f32) { logitsGroup($0!, Float.self) }
    crossentropy_set_group_kernel(table, f64) { logitsGroup($0!, Double.self) }
    #if arch(x86_64) && CROSSENTROPY_KERNELS
        table.pointee.has_columns = 0
    #else
        table.pointee.has_columns = 1
    #endif
    crossentropy_set_long_row_kernels(
        table, f32, { begin($0!, Float.self) }, { sumBlocks($0!, Int($1), Int($2), Float.self) },
        { finish($0!, Float.self) }, { writeBlocks($0!, Int($1), Int($2), Float.self) })
    crossentropy_set_long_row_kernels(
        table, f64, { begin($0!, Double.self) }, { sumBlocks($0!, Int($1), Int($2), Double.self) },
        { finish($0!, Double.self) }, { writeBlocks($0!, Int($1), Int($2), Double.self) })
    crossentropy_get_binary_kernels(table, f32).pointee.plain = { binaryPlain($0!.pointee, Int($1)) }
    crossentropy_get_binary_kernels(table, f32).pointee.weighted = { binaryWeighted($0!.pointee, Int($1)) }
    crossentropy_get_binary_kernels(table, f32).pointee.loss = { binaryLogits($0!.pointee, Int($1)) }
    crossentropy_set_slice_kernels(
        table, f32, { sliceBlock($0!, Int($1), Int($2), $3!, Float.self) }, { writeSlice($0!, Float.self) })
    crossentropy_set_slice_kernels(
        table, f64, { sliceBlock($0!, Int($1), Int($2), $3!, Double.self) }, { writeSlice($0!, Double.self) })
    table.pointee.pair.single_divergence = { logitsDivergence($0!) }
    table.pointee.pair.teacher = { stageTeacher($0!, Int($1), $2!) }
    table.pointee.pair.single_divergence_grad = { logitsDivergenceGradient($0!) }
    table.pointee.short_rows = { shortRows($0!) }
    table.pointee.exponentials = { x, result, count, m in
        let reference = Float.expReference(Float.splat(m))
        forEachVector(Int(count)) { i in
            Float.storeLanes(Float.exp(Float.loadLanes(UnsafeRawPointer(x!), i), reference), result!, i)
        } tail: { _, _ in
        }
    }
    #if !CROSSENTROPY_KERNELSAVX512
        fillRest(table)
    #endif
}

#if !CROSSENTROPY_KERNELSAVX512
    /// Kernels that are no faster in wider registers, and so are not compiled for AVX-512.
    private func fillRest(_ table: UnsafeMutablePointer<crossentropy_kernels>) {
        let probs: Int32 = 1
        let logProbs: Int32 = 2
        let f32: Int32 = 0
        let f64: Int32 = 1
        crossentropy_set_row_kernels(
            table, probs, f32, { probsIndex($0!.pointee, Float.self) }, { probsMass($0!.pointee, Float.self) })
        crossentropy_set_row_kernels(
            table, probs, f64, { probsIndex($0!.pointee, Double.self) }, { probsMass($0!.pointee, Double.self) })
        crossentropy_set_row_kernels(
            table, logProbs, f32, { logProbsIndex($0!.pointee, Float.self) }, { logProbsMass($0!.pointee, Float.self) })
        crossentropy_set_row_kernels(
            table, logProbs, f64, { logProbsIndex($0!.pointee, Double.self) },
            { logProbsMass($0!.pointee, Double.self) })
        crossentropy_set_fill_kernel(table, f32) { row, count, stride, format, value in
            Storage<Float>(format: format).fill(row!, Int(stride), Int(count), with: Float(value))
        }
        crossentropy_set_fill_kernel(table, f64) { row, count, stride, format, value in
            Storage<Double>(format: format).fill(row!, Int(stride), Int(count), with: value)
        }
        table.pointee.total_mass = { totalMass($0!.pointee) }
        fillBinary(table)
        fillPair(table)
        crossentropy_set_slice_read_kernels(
            table, { readSliceTargets($0!, Float.self) }, { readSliceTargets($0!, Double.self) })
        table.pointee.slice_rest = { sliceRest($0, $1, $2) }
        table.pointee.slice_finish = { group in
            let group = group!
            finish(group, LogSumExp(max: lanes(&group.pointee.max), rest: lanes(&group.pointee.rest)))
        }
    }

    private func fillPair(_ table: UnsafeMutablePointer<crossentropy_kernels>) {
        table.pointee.pair.stage = { stage($0!, Int($1)) }
        table.pointee.pair.normalize = { normalize($0!, Int($1)) }
        table.pointee.pair.divergence = { divergence($0!) }
        table.pointee.pair.terms = { divergenceTerms($0!, $1, $2!) }
        table.pointee.pair.divergence_grad = { divergenceGradient($0!) }
        table.pointee.pair.costs = { costs($0!) }
        table.pointee.pair.target_grad = { targetGradient($0!) }
        table.pointee.pair.chain = { chain($0!) }
        table.pointee.pair.hessian_vector = { hessianVector($0!) }
        table.pointee.pair.hessian_diagonal = { hessianDiagonal($0!) }
    }

    private func fillBinary(_ table: UnsafeMutablePointer<crossentropy_kernels>) {
        let singles = crossentropy_get_binary_kernels(table, 0)!
        let doubles = crossentropy_get_binary_kernels(table, 1)!
        singles.pointee.gather = { Storage<Float>(format: $1).gather($0!, Int($2), Int($3), Int($4), $5!) }
        doubles.pointee.gather = { Storage<Double>(format: $1).gather($0!, Int($2), Int($3), Int($4), $5!) }
        singles.pointee.scatter = { Storage<Float>(format: $3).scatter($0!, Int($1), $2!, Int($4), Int($5)) }
        doubles.pointee.scatter = { Storage<Double>(format: $3).scatter($0!, Int($1), $2!, Int($4), Int($5)) }
        singles.pointee.single_masses = { singleMasses($0!.pointee, Int($1)) ? 1 : 0 }
        singles.pointee.masses = { binaryMasses($0!.pointee, Int($1), Float.self) ? 1 : 0 }
        doubles.pointee.masses = { binaryMasses($0!.pointee, Int($1), Double.self) ? 1 : 0 }
        doubles.pointee.loss = { binaryTerms($0!.pointee, Int($1)) }
        table.pointee.binary_labels = {
            let (base, size, start, stride, count) = ($0!, Int($1), Int($2), Int($3), Int($4))
            let ignored = $6 == 1 ? $5 : nil
            guard let copy = $7 else {
                let isUsual = stride == 1 && (ignored ?? 2) > 1
                return isUsual && areBinary(base, size: size, start: start, count: count) ? 0 : -1
            }
            if $6 == 2 && stride == 1 {
                knownLabels(base, size: size, start: start, count: count, copy)
                return 0
            }
            return Int64(
                binaryLabels(base, size: size, start: start, stride: stride, count: count, ignored: ignored, copy))
        }
        table.pointee.label.count64 = { Int64(countLabels64($0!, Int($1), Int($2), $3, $4)) }
        table.pointee.label.count32 = { Int64(countLabels32($0!, Int($1), Int($2), $3, $4)) }
        table.pointee.label.widen = { widenLabels($0!, Int($1), $2!) }
        table.pointee.sum_exactly = { Int64(sumExactly($0!, Int($1), Int($2), $3!)) }
    }
#endif
