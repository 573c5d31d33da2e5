import KernelABI
import Shims

/// How a call's rows are computed.
///
/// `rows`, `columns`, `tiles` and `shared` all compute logits with labels, with the same bits, and `Plan` chooses the
/// one that suits the shape and the layout. Losses of few classes in f32 are the exception: only `short` computes them,
/// in every layout. The tests force three of the routes in turn, by the environment variable CROSSENTROPY_ROUTE, so
/// that every case is computed by every route that can compute it.
package enum Route: Int32 {
    /// Row by row, up to 16 short rows to a kernel.
    case rows = 1
    /// Class by class, 16 rows side by side.
    case columns
    /// Row by row, and several threads share each row.
    case shared
    /// Class by class, from copies of rows whose classes lie far apart (`RowTile`).
    case tiles
    /// A slice of the classes, for logits with labels.
    case slices
    /// Logits of few classes with labels, in f32 (`ShortRows`).
    case short
    /// Probabilities or their logarithms, of which only the label's counts.
    case labels
    /// Rows in which every class may have target mass.
    case mass
    /// Rows as pairs of distributions in f64 (`Pairs`).
    case pairs
    /// Divergences of rows of one class, which are a term each (`DivergenceTerms`).
    case terms

    /// The route that the tests force; `nil` leaves the choice to the plan.
    package static var forced: Route? {
        @inline(__always) get {
            let number = Processor.state.pointee.forced_route
            return number == 0 ? nil : Route(rawValue: number)
        }
    }

    static var inEnvironment: Route? {
        guard let text = getenv("CROSSENTROPY_ROUTE") else { return nil }
        if strcmp(text, "rows") == 0 { return .rows }
        if strcmp(text, "columns") == 0 { return .columns }
        if strcmp(text, "shared") == 0 { return .shared }
        return nil
    }
}
