import Foundation
import TidemarkPostgres
import TidemarkSQLite
import TidemarkTestSupport

/// One end of a flow, as the application and the test reach it: past the proxy that tidemark goes through.
enum FaultSide: Sendable {
    /// - Parameters:
    ///   - address: the server's own.
    ///   - throughProxy: what tidemark is given.
    case postgres(address: String, throughProxy: String)
    case sqlite(path: String)

    var address: String {
        switch self {
        case .postgres(_, let proxied): proxied
        case .sqlite(let path): "sqlite:\(path)"
        }
    }

    var isPostgres: Bool {
        if case .postgres = self { true } else { false }
    }

    func open() throws -> any FaultSession {
        switch self {
        case .postgres(let address, _): try PostgresSession(address, schema: "public")
        case .sqlite(let path): try SQLiteDatabase(path: path, mode: .readWrite, busyTimeoutMilliseconds: 30_000)
        }
    }

    /// Every row of a table, those that stand twice twice.
    func rows(_ table: String, _ columns: [String]) throws -> [String] {
        let values = columns.map { "coalesce(cast(\($0) as text), '∅')" }.joined(separator: " || '|' || ")
        return try open().column("select \(values) from \(table)").sorted()
    }
}

/// One connection of an application.
protocol FaultSession {
    func run(_ sql: String) throws
    /// The first value of each row.
    func column(_ sql: String) throws -> [String]
}

extension FaultSession {
    /// One transaction.
    func transaction(_ statements: [String]) throws {
        try run("begin")
        do {
            for statement in statements { try run(statement) }
            try run("commit")
        } catch {
            try? run("rollback")
            throw error
        }
    }
}

extension PostgresSession: FaultSession {
    func column(_ sql: String) throws -> [String] {
        let rows = try query(sql)
        return (0..<rows.count).map { rows[$0, 0] ?? "" }
    }
}

extension SQLiteDatabase: FaultSession {
    func run(_ sql: String) throws { try execute(sql) }
    func column(_ sql: String) throws -> [String] { try rows(sql).map { $0[0].string ?? "" } }
}
