import Shims

/// The ways through rows of logits with class indices. They all give the same bits, and a call takes the one that suits its
/// shape and layout. The tests force each of them in turn, by the environment variable CROSSENTROPY_ROUTE, so that
/// every case is computed by every route that can compute it.
enum Route: Int32 {
    /// Row by row.
    case rows = 1
    /// Class by class, 16 rows at a time; without the copy of a `RowTile`.
    case columns
    /// Row by row, and several threads share each row.
    case shared

    /// What the tests want; `nil` leaves the choice to the call.
    static var forced: Route? { Route(rawValue: Processor.state.pointee.forced_route) }

    static var inEnvironment: Route? {
        guard let text = getenv("CROSSENTROPY_ROUTE") else { return nil }
        if strcmp(text, "rows") == 0 { return .rows }
        if strcmp(text, "columns") == 0 { return .columns }
        if strcmp(text, "shared") == 0 { return .shared }
        return nil
    }
}
