import TidemarkCore

/// Where a sequence stood at a window's end, in the first line of its file.
struct SequenceEntry: Codable {
    struct Column: Codable {
        var schema: String?
        var table: String
        var column: String
    }

    var columns: [Column]
    var schema: String?
    var name: String?
    var lastValue: Int64
    var isCalled: Bool
    var increment: Int64
    var cycles: Bool
    var isDeclared: Bool

    init(_ state: SequenceState) {
        columns = state.identity.columns.map { Column(schema: $0.table.schema, table: $0.table.name, column: $0.column) }
        (schema, name) = (state.identity.name?.schema, state.identity.name?.name)
        (lastValue, isCalled, increment) = (state.lastValue, state.isCalled, state.increment)
        (cycles, isDeclared) = (state.cycles, state.isDeclared)
    }

    var state: SequenceState {
        SequenceState(
            SequenceState.Identity(
                columns: columns.map { SequenceState.Column(TableName(schema: $0.schema, name: $0.table), $0.column) },
                name: name.map { TableName(schema: schema, name: $0) }),
            lastValue: lastValue, isCalled: isCalled, increment: increment, cycles: cycles, isDeclared: isDeclared)
    }
}
