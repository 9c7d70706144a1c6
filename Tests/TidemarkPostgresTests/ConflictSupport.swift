import Testing
import TidemarkCore

@testable import TidemarkPostgres

/// A target whose table `t` others write to as well, and what keeps its deleted rows.
final class SharedBench {
    let bench: ApplyBench
    let administration: PostgresTargetAdministration
    private var lastID = Int64(0)

    static let schema = "create table t (id int primary key, v text, at int)"

    init(
        _ rule: ConflictRule, _ schema: String = SharedBench.schema, _ columns: [String] = ["id", "v", "at"], key: [String] = ["id"],
        encoding: ImageEncoding = .typedText
    ) throws {
        bench = try ApplyBench(schema)
        bench.capture(1, "t", columns, key: key, encoding: encoding, conflicts: rule)
        administration = try PostgresTargetAdministration(bench.url)
        try administration.prepareConflicts(in: [#require(bench.captured(1))], of: "main")
    }

    /// Writes as an application does.
    func write(_ sql: String) throws { try bench.session.run(sql) }

    /// Applies one window of one page.
    func apply(_ order: ApplyOrder = .paged, _ changes: SharedChange...) throws { try apply(order, changes) }

    func apply(_ order: ApplyOrder = .paged, _ changes: [SharedChange]) throws {
        var page = ChangePage()
        for change in changes {
            lastID += 1
            page.append(change, id: lastID)
        }
        try bench.apply(order, pages: [page])
    }

    func refusal(_ changes: SharedChange...) -> TidemarkError? {
        do {
            try apply(.paged, changes)
            Issue.record("nothing was refused")
            return nil
        } catch {
            #expect(error is TidemarkError, "\(error)")
            return error as? TidemarkError
        }
    }

    /// As the pipeline does that an error stops.
    func stop(by error: TidemarkError) throws { try bench.target.record(failure: error.description, epoch: bench.cursor.epoch) }

    var rows: [String] { get throws { try bench.rows("t") } }

    /// The oldest first.
    var conflicts: [Conflict] { get throws { try administration.conflicts(of: "main", table: nil, before: nil, limit: 100).reversed() } }

    var kinds: [String] { get throws { try conflicts.map { "\($0.kind.rawValue) \($0.result.rawValue)" } } }

    var tombstones: [String] {
        get throws {
            let rows = try bench.session.query("select key, image from tidemark.tombstone order by key")
            return (0..<rows.count).map { "\(rows[$0, 0] ?? "") \(rows[$0, 1] ?? "")" }
        }
    }
}

/// A change of capture 1 as a log with rows as they were before holds it.
struct SharedChange {
    var operation: Operation
    var key: String
    var before: String?
    var image: String?
    var transaction: UInt64?
    var origin: String?

    /// A transaction by itself that found one row and left another; nil for none.
    static func from(_ before: String?, to image: String?, key: String = #"{"id":1}"#, in transaction: UInt64? = nil, origin: String? = nil) -> SharedChange {
        SharedChange(
            operation: image == nil ? .delete : before == nil ? .insert : .update, key: key, before: before, image: image, transaction: transaction,
            origin: origin)
    }

    /// A row of the usual table.
    static func row(_ v: String, _ at: Int?, id: Int = 1) -> String { #"{"id":\#(id),"v":"\#(v)","at":\#(at.map(String.init) ?? "null")}"# }
}

extension ChangePage {
    mutating func append(_ change: SharedChange, id: Int64) {
        func lend(_ text: String?, _ body: (UnsafeRawBufferPointer?) -> Void) {
            guard let text else { return body(nil) }
            Array(text.utf8).withUnsafeBytes { body($0) }
        }
        lend(change.key) { key in
            lend(change.image) { image in
                lend(change.before) { before in
                    append(
                        id: id, capture: 1, operation: change.operation, key: key, image: image, transaction: change.transaction ?? UInt64(id),
                        before: before, origin: change.origin)
                }
            }
        }
    }
}
