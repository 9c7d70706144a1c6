import TidemarkCore

/// What the server said, as an error for a person.
///
/// The server's message is shown only where it is about the schema or the server: that of a refused
/// value holds the value.
struct TargetFault {
    let failure: PostgresFailure
    let pipeline: String
    let context: ApplyContext?

    init(_ failure: PostgresFailure, context: ApplyContext) {
        (self.failure, self.context, pipeline) = (failure, context, context.pipeline)
    }

    /// Before the session is known.
    init(_ failure: PostgresFailure, pipeline: String) {
        (self.failure, self.pipeline, context) = (failure, pipeline, nil)
    }

    static func notSetUp(_ pipeline: String, why: String) -> TidemarkError {
        TidemarkError(
            "the pipeline is not set up", pipeline: pipeline, why: why,
            remedy: "Type: tidemark setup --pipeline \(pipeline) --source … --target …")
    }

    /// - Parameter columns: which columns of the row it is about, where that is known.
    func error(
        _ what: String, table: TableName? = nil, key: String? = nil, changeID: Int64? = nil, columns: [String] = []
    ) -> TidemarkError {
        if failure.sqlState == "42P01" || failure.sqlState == "3F000", table == nil {
            return Self.notSetUp(pipeline, why: "the target has no tidemark.cursor")
        }
        let place = columns.isEmpty ? "" : " in " + columns.map(PostgresIdentifier.quoted).joined(separator: ", ")
        return TidemarkError(
            what, pipeline: pipeline, table: table, key: key, changeID: changeID, why: why(place),
            remedy: remedy(table.map(PostgresIdentifier.quoted) ?? "tidemark.cursor", columns.first), retry: retry,
            isAboutData: table != nil && isAboutData)
    }

    /// Constraints, values, and what is missing of a table. Not rights, resources, or what the server is in the middle of.
    private var isAboutData: Bool {
        PageRefusal.isAboutRows(failure) || ["42P01", "42703", "42804", "42P10", "428C9"].contains(failure.sqlState)
    }

    /// Does the message speak of schema and server? A trigger can raise any other, with any values in it.
    static func isAboutServer(_ failure: PostgresFailure) -> Bool {
        ["08", "0A", "25", "26", "28", "3B", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "F0", "XX"]
            .contains(failure.sqlState.prefix(2))
    }

    private var retry: TidemarkError.Retry {
        // 25006: a standby that may be promoted, or a connection that may find the primary. 53: full.
        failure.isTransient || failure.sqlState == "25006" || failure.sqlState.hasPrefix("53") ? .later : .never
    }

    private var constraint: String { failure.constraint.isEmpty ? "" : " \(PostgresIdentifier.quoted(failure.constraint))" }

    private func why(_ place: String) -> String {
        let state = "SQLSTATE \(failure.sqlState)"
        switch failure.sqlState {
        case "23505": return "another row of the target holds the unique value of the constraint\(constraint)"
        case "23P01": return "another row of the target excludes it by the constraint\(constraint)"
        case "23503": return "the foreign key\(constraint) of the target has no row at its other end"
        case "23514" where failure.constraint.isEmpty: return "the target has no partition for it"
        case "23514": return "it violates the check constraint\(constraint) of the target"
        case "23502": return "the target takes no NULL\(place.isEmpty ? " in a column" : place), and the image has no value for it"
        case "25006": return "the target is read-only, or a standby in recovery (\(state))"
        case "22001": return "a value is too long for its type\(place) on the target (\(state))"
        case "22003": return "a number is out of the range of its type\(place) on the target (\(state))"
        case "22P02", "22007", "22008": return "a value is none of its type\(place) on the target (\(state))"
        case "P0001": return "a trigger of the target raised an error; the target's log has its text (\(state))"
        case let other where other.hasPrefix("22"): return "the target cannot hold a value\(place) (\(state))"
        case let other where other.hasPrefix("23"): return "it violates the constraint\(constraint) of the target (\(state))"
        case "": return "there is no answer from the target: \(failure.message)"
        case _ where Self.isAboutServer(failure):
            return "the target says: \(failure.message) (\(state))"
        default: return "the target raised an error; its log has the text (\(state))"
        }
    }

    private func remedy(_ table: String, _ column: String?) -> String {
        let again = "then type: tidemark run …; it goes on at this change."
        let role = PostgresIdentifier.quoted(context?.role ?? "<role>")
        switch failure.sqlState {
        case "23505", "23P01":
            let unlessHeld = context?.holdsTriggersStill == false
                ? " If rows swap such values, the role has to hold triggers still: \(context?.grantOfReplicaRole ?? "")" : ""
            return "Remove the row of the target that holds it, or drop the constraint\(constraint) there, \(again)\(unlessHeld)"
        case "23503":
            return "\(context?.grantOfReplicaRole ?? "") or drop the constraint\(constraint) on the target, \(again)"
        case "23514" where failure.constraint.isEmpty:
            return "Type on the target: create table … partition of \(table) …; \(again)"
        case "23514": return "The constraint exists on the target only: alter table \(table) drop constraint\(constraint); \(again)"
        case "23502":
            let name = column.map(PostgresIdentifier.quoted) ?? "<column>"
            return "Type on the target: alter table \(table) alter column \(name) drop not null; (or set default …;) \(again)"
        case "42501" where failure.table == WindowStage.table:
            let database = PostgresIdentifier.quoted(context?.database ?? "<database>")
            return "Type on the target: grant temporary on database \(database) to \(role); \(again)"
        case "42501":
            return "Type on the target: grant select, insert, update, delete, truncate on \(table) to \(role);"
                + " and grant usage on its schema, \(again)"
        case "42P01", "42703", "42P10": return "The target was altered: give it the table's columns and key back, \(again)"
        case "25006": return "Point --target at the primary. A running worker goes on once the target takes writes."
        case "53100": return "The target's disk is full: free space. A running worker goes on then."
        case let other where other.hasPrefix("53"): return "The target lacks resources. A running worker goes on once it has them."
        case let other where other.hasPrefix("22"):
            let name = column.map { " alter column \(PostgresIdentifier.quoted($0)) type …" } ?? " …"
            return "Type on the target: alter table \(table)\(name); or mend the row at the source, \(again)"
        case "P0001":
            return "Disable the trigger on the target, or let the role hold triggers still."
                + " \(context?.grantOfReplicaRole ?? "") \(again)"
        default:
            return retry == .later ? "A running worker tries again until it works." : "Mend the target, \(again)"
        }
    }
}
