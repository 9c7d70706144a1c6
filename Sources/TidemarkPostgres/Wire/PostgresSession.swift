import CLibPQ
import Glibc

/// One libpq connection. It blocks, so it lives on a thread of its own, and it is not `Sendable`.
package final class PostgresSession {
    let connection: OpaquePointer
    private var isAwaitingAnswer = false
    /// How many rows the statement touched that was sent last, once it has settled.
    private(set) var affectedByLastSent = 0

    /// Settings that every session of tidemark pins, so that no default of a role, database or
    /// server changes how a value is read or written, or whether a commit is durable.
    static let pinnedSettings = """
        set session search_path = pg_catalog, pg_temp;
        set session datestyle = 'ISO, YMD';
        set session intervalstyle = 'postgres';
        set session timezone = 'UTC';
        set session extra_float_digits = 1;
        set session bytea_output = 'hex';
        set session lc_monetary = 'C';
        set session xmloption = 'content';
        set session row_security = off;
        set session synchronous_commit = on;
        set session statement_timeout = 0;
        set session idle_in_transaction_session_timeout = 0;
        set session default_transaction_isolation = 'read committed';
        set session default_transaction_read_only = off;
        set session client_min_messages = warning;
        set session standard_conforming_strings = on
        """

    /// Connects and pins the session's settings.
    /// - Parameter url: any libpq URI, key/value string or service. It is never part of an error.
    package init(_ url: String) throws(PostgresFailure) {
        // libpq's own words about an address that it cannot read repeat it, password and all.
        guard ConnectionText.isReadable(url) else {
            throw PostgresFailure(
                sqlState: "", message: "the address cannot be read: a URI needs %-encoding of special characters",
                detail: "", hint: "", table: "", constraint: "")
        }
        guard let opened = Self.open(url) else {
            throw PostgresFailure(
                sqlState: "", message: "out of memory", detail: "", hint: "", table: "", constraint: "")
        }
        guard PQstatus(opened) == CONNECTION_OK else {
            let message = String(cString: PQerrorMessage(opened))
            PQfinish(opened)
            throw PostgresFailure(
                sqlState: "", message: Self.firstLine(message), detail: "", hint: "", table: "", constraint: "")
        }
        connection = opened
        // Notices would go to stderr, in nobody's format.
        PQsetNoticeProcessor(connection, { _, _ in }, nil)
        try run(Self.pinnedSettings)
    }

    deinit { PQfinish(connection) }

    /// A peer that vanished without a word, behind a firewall or with its machine, is noticed within a minute; the system's
    /// own settings take hours.
    private static let lossDetection = [
        ("keepalives_idle", "20"), ("keepalives_interval", "10"), ("keepalives_count", "4"), ("tcp_user_timeout", "60000"),
    ]

    /// As the server reports it.
    var applicationName: String { PQparameterStatus(connection, "application_name").map { String(cString: $0) } ?? "" }

    private static func open(_ url: String) -> OpaquePointer? {
        // With expand_dbname a URI in "dbname" is taken apart; what follows it only fills gaps.
        let keywords = ["fallback_application_name", "connect_timeout", "client_encoding"] + Self.lossDetection.map(\.0) + ["dbname"]
        let values = ["tidemark", "10", "UTF8"] + Self.lossDetection.map(\.1) + [url]
        var names = keywords.map { strdup($0) as UnsafeMutablePointer<CChar>? } + [nil]
        var texts = values.map { strdup($0) as UnsafeMutablePointer<CChar>? } + [nil]
        defer { (names + texts).forEach { free($0) } }
        return names.withUnsafeMutableBufferPointer { names in
            texts.withUnsafeMutableBufferPointer { texts in
                names.withMemoryRebound(to: UnsafePointer<CChar>?.self) { names in
                    texts.withMemoryRebound(to: UnsafePointer<CChar>?.self) { texts in
                        PQconnectdbParams(names.baseAddress, texts.baseAddress, 1)
                    }
                }
            }
        }
    }

    /// Runs one or more statements without parameters, and drops what they return.
    package func run(_ sql: String) throws(PostgresFailure) {
        try settle()
        _ = try checked(PQexec(connection, sql))
    }

    /// Runs several statements without parameters in one round trip and, unless they say otherwise, one transaction.
    /// - Returns: the rows of the last one.
    func last(of sql: String) throws(PostgresFailure) -> PostgresRows {
        try settle()
        return PostgresRows(try checked(PQexec(connection, sql)))
    }

    /// Runs one statement. A parameter is text, or JSON bytes that need no terminator.
    /// - Returns: the rows, every value in its text form.
    @discardableResult
    package func query(_ sql: String, _ parameters: [PostgresParameter] = []) throws(PostgresFailure) -> PostgresRows {
        try settle()
        let bound = BoundParameters(parameters)
        let result = bound.withPointers { pointers in
            PQexecParams(
                connection, sql, Int32(parameters.count), bound.types, pointers, bound.lengths, bound.formats, 0)
        }
        return PostgresRows(try checked(result))
    }

    /// Sends a statement that is planned for this time only; otherwise as the prepared ones.
    func send(_ sql: String, _ parameters: [PostgresParameter]) throws(PostgresFailure) {
        try settle()
        let bound = BoundParameters(parameters)
        let sent = bound.withPointers { pointers in
            PQsendQueryParams(
                connection, sql, Int32(parameters.count), bound.types, pointers, bound.lengths, bound.formats, 0)
        }
        try expectAnswer(sent)
    }

    /// Sends a prepared statement and comes back while the server works on it. What it failed with is
    /// thrown by the next call that needs the session, or by `settle`.
    func send(prepared name: String, _ bound: BoundParameters) throws(PostgresFailure) {
        try settle()
        let sent = bound.withPointers { pointers in
            PQsendQueryPrepared(
                connection, name, Int32(bound.types.count), pointers, bound.lengths, bound.formats, 0)
        }
        try expectAnswer(sent)
    }

    private func expectAnswer(_ sent: Int32) throws(PostgresFailure) {
        guard sent == 1 else { throw failure(PostgresResult(nil)) }
        isAwaitingAnswer = true
        affectedByLastSent = 0
    }

    /// Waits for the statement that was sent, if one was.
    func settle() throws(PostgresFailure) {
        guard isAwaitingAnswer else { return }
        isAwaitingAnswer = false
        var refusal: PostgresFailure?
        while let result = PQgetResult(connection) {
            do { affectedByLastSent = PostgresRows(try checked(result)).affected } catch { refusal = refusal ?? error }
        }
        if let refusal { throw refusal }
    }

    /// Gives the transaction up, whatever state it is in.
    func rollback() {
        try? settle()
        _ = try? run("rollback")
    }

    /// Streams `COPY (query) TO STDOUT`, one buffer per message. If `receive` throws, the rest is
    /// cancelled and the session stays usable.
    package func copyOut(
        _ query: String, as format: CopyFormat = .binary, _ receive: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try settle()
        _ = try checked(PQexec(connection, "copy (\(query)) to stdout (format \(format.rawValue))"))
        var refusal: (any Error)?
        while true {
            var buffer: UnsafeMutablePointer<CChar>?
            let length = PQgetCopyData(connection, &buffer, 0)
            if length < 0 { break }
            defer { PQfreemem(buffer) }
            guard refusal == nil else { continue }
            do {
                try receive(UnsafeRawBufferPointer(start: buffer, count: Int(length)))
            } catch {
                refusal = error
                cancel()
            }
        }
        var ending: (any Error)?
        while let result = PQgetResult(connection) {
            do { _ = try checked(result) } catch { ending = error }
        }
        if let error = refusal ?? ending { throw error }
    }

    /// Streams into `COPY … FROM STDIN (FORMAT text)`. What `next` throws ends it and is thrown on.
    /// - Parameter next: whole rows, or nil at their end.
    func copyIn(_ target: String, _ next: () throws -> [UInt8]?) throws {
        try settle()
        _ = try checked(PQexec(connection, "copy \(target) from stdin (format text)"))
        var refusal: (any Error)?
        do {
            while let rows = try next() {
                // The server may have refused them, and says why at the end.
                guard rows.withUnsafeBytes({ send($0) }) else { break }
            }
        } catch {
            refusal = error
        }
        PQputCopyEnd(connection, refusal == nil ? nil : "given up")
        var ending: (any Error)?
        while let result = PQgetResult(connection) {
            do { _ = try checked(result) } catch { ending = ending ?? error }
        }
        if let error = refusal ?? ending { throw error }
    }

    /// In pieces: libpq's buffer grows to the largest one, and stays so.
    private func send(_ rows: UnsafeRawBufferPointer) -> Bool {
        stride(from: 0, to: rows.count, by: Self.copyPieceBytes).allSatisfy { start in
            let piece = UnsafeRawBufferPointer(rebasing: rows[start..<min(start + Self.copyPieceBytes, rows.count)])
            return PQputCopyData(connection, piece.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(piece.count)) == 1
        }
    }

    private static let copyPieceBytes = 64 << 10

    private func cancel() {
        guard let request = PQgetCancel(connection) else { return }
        defer { PQfreeCancel(request) }
        var message = [CChar](repeating: 0, count: 256)
        PQcancel(request, &message, Int32(message.count))
    }

    func checked(_ result: OpaquePointer?) throws(PostgresFailure) -> PostgresResult {
        let owned = PostgresResult(result)
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_COPY_OUT, PGRES_COPY_IN: return owned
        default: throw failure(owned)
        }
    }

    private func failure(_ result: PostgresResult) -> PostgresFailure {
        func field(_ code: Int32) -> String {
            PQresultErrorField(result.pointer, code).map { String(cString: $0) } ?? ""
        }
        let state = field(tidemark_diag_sqlstate)
        let primary = field(tidemark_diag_message_primary)
        return PostgresFailure(
            sqlState: state,
            message: primary.isEmpty ? Self.firstLine(String(cString: PQerrorMessage(connection))) : primary,
            detail: field(tidemark_diag_message_detail), hint: field(tidemark_diag_message_hint),
            table: field(tidemark_diag_table_name), constraint: field(tidemark_diag_constraint_name))
    }

    private static func firstLine(_ text: String) -> String {
        String(text.split(separator: "\n").first ?? "no answer from the server")
    }
}

/// The formats of COPY.
package enum CopyFormat: String {
    case text
    case binary
}

/// Owns a `PGresult`.
final class PostgresResult {
    let pointer: OpaquePointer?
    init(_ pointer: OpaquePointer?) { self.pointer = pointer }
    deinit { PQclear(pointer) }
}

/// The rows of one statement.
package struct PostgresRows {
    private let result: PostgresResult

    init(_ result: PostgresResult) { self.result = result }

    package var count: Int { Int(PQntuples(result.pointer)) }

    /// OID and modifier of each column's type; of a domain, the type below it.
    var columnTypes: [(oid: UInt32, modifier: Int32)] {
        (0..<PQnfields(result.pointer)).map { (PQftype(result.pointer, $0), PQfmod(result.pointer, $0)) }
    }

    /// How many rows an INSERT, UPDATE or DELETE touched.
    package var affected: Int { Int(String(cString: PQcmdTuples(result.pointer))) ?? 0 }

    /// The text of a value, nil for NULL.
    package subscript(row: Int, column: Int) -> String? {
        guard row < count, PQgetisnull(result.pointer, Int32(row), Int32(column)) == 0 else { return nil }
        return String(cString: PQgetvalue(result.pointer, Int32(row), Int32(column)))
    }
}
