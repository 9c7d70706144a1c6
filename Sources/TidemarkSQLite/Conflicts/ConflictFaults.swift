import TidemarkCore

/// What keeps a table's rule for conflicts from being followed at a target.
struct ConflictFaults {
    struct Fault {
        var what: String
        var why: String
        var remedy: String
    }

    private(set) var all: [Fault] = []
    private let names: [String: SQLiteTable.Column]

    init(_ target: TargetTable, _ rule: ConflictRule) {
        names = Dictionary(target.written.map { (SQLiteIdentifier.folded($0.name), $0) }) { first, _ in first }
        guard !target.captured.keyColumns.isEmpty else {
            add("rows without a key cannot be compared", "the table has no key on the source", "Give it one and type: tidemark setup …, or take conflict: out of the pipeline's table.")
            return
        }
        if let term = target.keyTerms.first(where: { $0.collation.uppercased() != "BINARY" }) {
            add(
                "the text of a key does not name one row", "\(term.sql) has the collation \(term.collation), which takes different texts for one",
                "Declare the key columns COLLATE BINARY, which is the default, or take conflict: out of the pipeline's table.")
        }
        for name in rule.namedColumns.sorted() where names[SQLiteIdentifier.folded(name)] == nil {
            add(
                "a rule for conflicts names a column that the pipeline does not write", "the target's table has no column \(SQLiteIdentifier.quoted(name)) that comes from the source",
                "Correct conflict: in the pipeline's tables.")
        }
        for name in rule.orderColumns.sorted() {
            if name == rule.versionColumn, let column = names[SQLiteIdentifier.folded(name)], column.affinity == .text {
                refuseTextVersion(column)
            } else {
                refuseTextNumbers(name, target)
            }
        }
        for (name, strategy) in rule.columns.sorted(by: { $0.key < $1.key }) where strategy == .add { refuseNoNumber(name) }
    }

    private mutating func refuseTextVersion(_ column: SQLiteTable.Column) {
        add(
            "a rule for conflicts goes by versions that are kept as text", "column \(SQLiteIdentifier.quoted(column.name)) is \(column.declaredType), in which 10 comes before 9",
            "Declare it INTEGER, or go by another column; a time in ISO form is for last-write-wins.")
    }

    private mutating func refuseTextNumbers(_ name: String, _ target: TargetTable) {
        guard let column = names[SQLiteIdentifier.folded(name)], column.affinity == .text || column.affinity == .blob,
            let source = target.captured.columns.first(where: { SQLiteIdentifier.folded($0.name) == SQLiteIdentifier.folded(name) }),
            target.captured.encoding == .typedText, ImageBinder.Meaning(typedText: source.type) == .exactNumber
        else { return }
        add(
            "a rule for conflicts goes by numbers that are kept as text", "column \(SQLiteIdentifier.quoted(name)) is \(source.type) at the source, and a text here, whose order is another one",
            "Make it a bigint at the source and an INTEGER here, or go by another column.")
    }

    private mutating func refuseNoNumber(_ name: String) {
        guard let column = names[SQLiteIdentifier.folded(name)], column.affinity == .text else { return }
        add("a counter is no number", "column \(SQLiteIdentifier.quoted(name)) holds texts here", "Declare it INTEGER or REAL, or take it out of columns: of the rule.")
    }

    private mutating func add(_ what: String, _ why: String, _ remedy: String) { all.append(Fault(what: what, why: why, remedy: remedy)) }
}
