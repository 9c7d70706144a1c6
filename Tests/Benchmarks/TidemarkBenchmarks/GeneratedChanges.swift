import TidemarkCore
import TidemarkTestSupport

/// A page of changes as PostgreSQL's capture logs them, made from a seed: the same on every machine.
struct GeneratedChanges {
    /// As many as one iteration of a benchmark counts.
    static let count = 1_000

    let table: CapturedTable
    let page: ChangePage
    var all: [Int] { Array(page.changes.indices) }

    /// - Parameters:
    ///   - rows: how many rows are changed, in no order; fewer than changes are changed again.
    ///   - operations: of the changes, in turn.
    init(_ kind: RowKind, rows: Int = count, operations: [Operation] = [.insert]) {
        let columns = kind.columns
        table = CapturedTable(
            capture: 1, name: TableName(schema: "public", name: "t"),
            columns: columns.map { CapturedColumn(name: $0.name, type: $0.type) }, keyColumns: [columns[0].name],
            encoding: .typedText)
        var random = SeededRandom(seed: 20_310_517)
        let ids = (0..<rows).map { 100_000 + 7 * $0 }.shuffled(using: &random)
        var page = ChangePage()
        for number in 0..<Self.count {
            let id = ids[number % rows]
            let operation = operations[number % operations.count]
            let members = columns.map { "\"\($0.name)\":\($0.json(id, &random))" }
            page.append(
                id: Int64(number + 1), operation: operation, key: "{\"id\":\(id)}",
                image: operation == .delete ? nil : "{\(members.joined(separator: ","))}")
        }
        self.page = page
    }
}

extension ChangePage {
    /// Appends a change of the one table that there is.
    mutating func append(id: Int64, operation: Operation, key: String, image: String?) {
        Array(key.utf8).withUnsafeBytes { key in
            guard let image else { return append(id: id, capture: 1, operation: operation, key: key, image: nil) }
            Array(image.utf8).withUnsafeBytes { append(id: id, capture: 1, operation: operation, key: key, image: $0) }
        }
    }
}
