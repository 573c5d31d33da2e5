import KernelABI
import Shims

/// The ways through a call's rows.
///
/// `rows`, `columns`, `tiles` and `shared` all compute logits with labels, with the same bits, and `Plan` takes the one that suits
/// the shape and the layout; but for losses of few classes in f32, which `short` alone computes, whatever the layout. The tests force three of them in turn, by the environment variable CROSSENTROPY_ROUTE, so that
/// every case is computed by every route that can compute it.
package enum Route: Int32 {
    /// Row by row, up to 16 short ones to a kernel.
    case rows = 1
    /// Class by class, 16 rows side by side.
    case columns
    /// Row by row, and several threads share each row.
    case shared
    /// Class by class, from copies of rows whose classes lie far apart (`RowTile`).
    case tiles
    /// Of logits with labels, a slice of the classes.
    case slices
    /// Logits of few classes with labels, in f32 (`ShortRows`).
    case short
    /// Probabilities or their logarithms, of which the label's alone counts.
    case labels
    /// Every class of a row has target mass.
    case mass
    /// Rows as pairs of distributions in f64 (`Pairs`).
    case pairs

    /// What the tests want; `nil` leaves the choice to the plan.
    package static var forced: Route? { Route(rawValue: Processor.state.pointee.forced_route) }

    static var inEnvironment: Route? {
        guard let text = getenv("CROSSENTROPY_ROUTE") else { return nil }
        if strcmp(text, "rows") == 0 { return .rows }
        if strcmp(text, "columns") == 0 { return .columns }
        if strcmp(text, "shared") == 0 { return .shared }
        return nil
    }
}
