import TidemarkCore

/// Where a change could not be applied, and the error for it.
struct ApplyFault {
    var pipeline: String
    var table: TableName
    var key: String?
    var changeID: Int64?

    /// - Parameter order: whether a unique clash may be one between two rows of the window.
    func error(for cause: any Error, order: ApplyOrder) -> TidemarkError {
        if let fault = cause as? ValueFault {
            let column = fault.column.isEmpty ? "" : "column \(SQLiteIdentifier.quoted(fault.column)): "
            return refused("the target cannot hold a value", why: column + fault.why, remedy: fault.remedy, isAboutData: true)
        }
        guard let failure = cause as? SQLiteFailure else {
            return (cause as? TidemarkError) ?? refused("a change was not applied", why: "\(cause)", remedy: "Report this.")
        }
        if failure.isRetryable {
            return refused(failure.isLack ? "the target cannot be written" : "the target is busy", why: failure.message, remedy: failure.hint, retry: .later)
        }
        if failure.isUniqueClash, order == .paged {
            return refused(
                "a row's unique value is still held by another row", why: failure.message,
                remedy: "The window is applied again as a whole.", retry: .staged)
        }
        return refused("the target refused a change", why: failure.message, remedy: Self.remedy(failure), isAboutData: failure.isConstraint || failure.isTooBig)
    }

    private static func remedy(_ failure: SQLiteFailure) -> String {
        let again = "then type: tidemark run …; it goes on at this change."
        if failure.isUniqueClash {
            return "A row of the target that the source does not have in this form holds the value: find it and remove it, \(again)"
        }
        switch failure.primaryCode {
        case SQLiteFailure.constraint:
            return "The constraint stands on the target only: drop or relax it there (SQLite: rebuild the table without it), \(again)"
        case SQLiteFailure.mismatch:
            return "An INTEGER PRIMARY KEY holds integers only: declare the target's column as the source's is, \(again)"
        case SQLiteFailure.readOnly, SQLiteFailure.permission: return "Let this user write the target's file and its directory, \(again)"
        default: return "SQLite's error \(failure.code), \(failure.hint): mend the target, \(again)"
        }
    }

    private func refused(
        _ what: String, why: String, remedy: String, retry: TidemarkError.Retry = .never,
        isAboutData: Bool = false
    ) -> TidemarkError {
        TidemarkError(
            what, pipeline: pipeline, table: table, key: key, changeID: changeID, why: why, remedy: remedy, retry: retry,
            isAboutData: isAboutData)
    }
}
