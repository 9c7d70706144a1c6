/// Writes changes to a primary as its applications do: triggers and foreign keys act, and capture logs what is written.
/// One connection, confined to one thread; every call blocks.
package protocol ReplayTarget: AnyObject {
    /// Applies changes in one transaction, and notes in it that the pipeline's lost changes are replayed.
    ///
    /// - Parameters:
    ///   - tables: by the generation that the changes carry.
    ///   - pages: hands over one page after the other; what it throws rolls back.
    /// - Throws: a `TidemarkError` that names the row where the database refuses one; nothing is written then.
    func replay(tables: [Int32: CapturedTable], pages: (_ receive: (ChangePage) throws -> Void) throws -> Void) throws
}
