import KernelABI

/// A pass over the rows of a call: the state that its threads share. Each thread claims pieces of the rows, and
/// computes them by the plan's route.
struct RowPass {
    enum Purpose {
        /// Losses, gradients and statistics.
        case loss
        /// The sum of the target mass, before anything is written.
        case mass
        /// Partial statistics of slices of the rows; or a slice's gradient, from complete partial statistics.
        case slices(Problem.Partials)
    }

    var pieces: Pieces
    let problem: UnsafePointer<Problem>
    let plan: UnsafePointer<Plan>
    let purpose: Purpose
    let workspace: Workspace
    let scales: RowScales

    init(
        _ purpose: Purpose, _ problem: UnsafePointer<Problem>, _ plan: UnsafePointer<Plan>, _ workspace: Workspace,
        _ scales: RowScales
    ) {
        self.purpose = purpose
        self.problem = problem
        self.plan = plan
        self.workspace = workspace
        self.scales = scales
        pieces = Pieces(
            count: problem.pointee.rows.count, length: plan.pointee.rowsPerPiece,
            cancel: problem.pointee.settings.cancel)
    }

    /// Computes all rows. Afterwards the workspace holds the sum of the losses (or mass), unless each row's loss is stored.
    @_optimize(speed)
    mutating func run() throws(LossFailure) {
        if problem.pointee.settings.isCancelled { throw .cancelled }
        workspace.reset()
        ThreadPool.run(threads: workspace.threads, { RowPass.work($0!) }, &self)
        if problem.pointee.settings.wasCancelled { throw .cancelled }
    }

    @_optimize(speed)
    private static func work(_ context: UnsafeMutableRawPointer) {
        let pass = context.assumingMemoryBound(to: RowPass.self)
        let pieces = withUnsafeMutablePointer(to: &pass.pointee.pieces) { $0 }
        guard var rows = pieces.next() else { return }
        let slot = pass.pointee.workspace.slot(pieces.nextSlot())
        /// Calls `body` with one piece after the other until none is left.
        @inline(__always) func forEachPiece(_ body: (Range<Int>) -> Void) {
            while true {
                body(rows)
                guard let next = pieces.next() else { return }
                rows = next
            }
        }
        if case .mass = pass.pointee.purpose {
            var singles = SingleRows(pass, slot)
            return forEachPiece { singles.run($0) }
        }
        switch pass.pointee.plan.pointee.route {
        case .rows, .columns, .tiles, .shared:
            let groups = Groups(pass, slot)
            forEachPiece { groups.run($0) }
        case .short:
            var short = ShortRows(pass, slot)
            forEachPiece { short.run($0) }
            short.finish()
        case .slices:
            let slices = Slices(pass, slot)
            forEachPiece { slices.run($0) }
        case .terms:
            var terms = DivergenceTerms(pass, slot)
            forEachPiece { terms.run($0) }
            terms.finish()
        case .labels, .mass, .pairs:
            var singles = SingleRows(pass, slot)
            forEachPiece { singles.run($0) }
        }
    }

    // MARK: Results

    /// Whether each row's loss is stored, rather than added up.
    var storesLosses: Bool {
        @inline(__always) get {
            if case .mass = purpose { return false }
            return problem.pointee.settings.reduction == .none
        }
    }

    /// Fills the row's gradient with respect to the input.
    func fillGradient(_ offsets: RowOffsets, with value: Double) {
        if case .mass = purpose { return }
        guard let grad = problem.pointee.outputs.grad else { return }
        let inDoubles = plan.pointee.computesInDoubles
        let fill = crossentropy_get_fill_kernel(Processor.kernels, inDoubles ? 1 : 0)!
        problem.pointee.settings.forEachPart(of: problem.pointee.classesPerRow) { part in
            fill(
                grad.element(offsets.grad + part.lowerBound * grad.classStride), Int64(part.count),
                Int64(grad.classStride), grad.dtype.format(inDoubles: inDoubles), value)
        }
    }

    /// Sets gradients to 0, for an empty mean that is 0.
    func clearGradients(_ first: RowOffsets, _ count: Int) {
        if problem.pointee.outputs.grad == nil { return }
        for i in 0..<count { fillGradient(first + problem.pointee.rows.step * i, with: 0) }
    }
}
