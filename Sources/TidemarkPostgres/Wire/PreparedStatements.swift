import CLibPQ

/// Statements that the server parses and plans once a session, for those that every window runs: on a
/// small window planning costs more than the work.
///
/// Only for statements whose plan does not depend on how large a table is: a plan made while a table
/// was empty would scan it whole after it has grown.
final class PreparedStatements {
    private let session: PostgresSession
    private var names: [String: String] = [:]
    /// Never goes back, so that a statement that could not be dropped is in nobody's way.
    private var made = 0

    init(_ session: PostgresSession) { self.session = session }

    @discardableResult
    func query(_ sql: String, _ parameters: [PostgresParameter]) throws(PostgresFailure) -> PostgresRows {
        let name: String
        if let known = names[sql] { name = known } else { name = try prepare(sql, parameters) }
        var values: [[UInt8]] = []
        var formats: [Int32] = []
        for parameter in parameters {
            switch parameter {
            case .text(let text):
                values.append(Array(text.utf8) + [0])
                formats.append(0)
            case .json(let bytes):
                values.append(bytes)
                formats.append(1)
            }
        }
        let lengths = values.map { Int32($0.count) }
        let result = Self.withPointers(to: values[...], []) { pointers in
            PQexecPrepared(session.connection, name, Int32(values.count), pointers, lengths, formats, 0)
        }
        return PostgresRows(try checked(result))
    }

    /// Drops them all: a table may be another now.
    func forget() {
        for name in names.values { _ = try? session.run("deallocate \(name)") }
        names = [:]
    }

    private func prepare(_ sql: String, _ parameters: [PostgresParameter]) throws(PostgresFailure) -> String {
        made += 1
        let name = "tidemark_\(made)"
        let types: [Oid] = parameters.map { if case .json = $0 { 114 } else { 0 } }
        _ = try checked(PQprepare(session.connection, name, sql, Int32(types.count), types))
        names[sql] = name
        return name
    }

    private static func withPointers<R>(
        to values: ArraySlice<[UInt8]>, _ pointers: [UnsafePointer<CChar>?], _ body: ([UnsafePointer<CChar>?]) -> R
    ) -> R {
        guard let first = values.first else { return body(pointers) }
        return first.withUnsafeBytes { bytes in
            withPointers(to: values.dropFirst(), pointers + [bytes.baseAddress?.assumingMemoryBound(to: CChar.self)], body)
        }
    }

    private func checked(_ result: OpaquePointer?) throws(PostgresFailure) -> PostgresResult {
        let owned = PostgresResult(result)
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK: return owned
        default: break
        }
        func field(_ code: Int32) -> String { PQresultErrorField(result, code).map { String(cString: $0) } ?? "" }
        let primary = field(tidemark_diag_message_primary)
        let line = String(cString: PQerrorMessage(session.connection)).split(separator: "\n").first.map(String.init)
        throw PostgresFailure(
            sqlState: field(tidemark_diag_sqlstate), message: primary.isEmpty ? line ?? "no answer from the server" : primary,
            detail: field(tidemark_diag_message_detail), hint: field(tidemark_diag_message_hint),
            table: field(tidemark_diag_table_name), constraint: field(tidemark_diag_constraint_name))
    }
}
