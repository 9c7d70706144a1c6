/// A table as its source defines it, so that a target that lacks it can make it.
package struct TableDefinition: Hashable, Sendable {
    package struct Column: Hashable, Sendable {
        package var name: String
        /// As `CapturedColumn.type`.
        package var type: String
        package var isNotNull: Bool
        package var isGenerated: Bool

        package init(name: String, type: String, isNotNull: Bool, isGenerated: Bool) {
            (self.name, self.type, self.isNotNull, self.isGenerated) = (name, type, isNotNull, isGenerated)
        }
    }

    package struct Index: Hashable, Sendable {
        package var columns: [String]
        package var isUnique: Bool

        package init(columns: [String], isUnique: Bool) {
            (self.columns, self.isUnique) = (columns, isUnique)
        }
    }

    /// What the statements use and do not make: a target looks for it before it makes anything.
    package struct Requirement: Hashable, Sendable {
        package enum Kind: Hashable, Sendable {
            case function, operation, type
            /// What no other database can have beforehand: such a table is for a person to make.
            case other
        }

        package var kind: Kind
        /// As the source's engine writes it, qualified and with its arguments.
        package var name: String
        /// For people: “the default of column total”.
        package var usedBy: String

        package init(_ kind: Kind, _ name: String, usedBy: String) {
            (self.kind, self.name, self.usedBy) = (kind, name, usedBy)
        }
    }

    /// The engine whose SQL the statements are; another one goes by columns, key and indexes.
    package var engine: String
    /// As the target calls it.
    package var table: TableName
    /// What the source calls it, where that differs.
    package var sourceName: TableName?
    package var columns: [Column]
    /// Empty where rows are identified as a whole.
    package var keyColumns: [String]
    /// Further indexes, without those that have expressions or predicates.
    package var indexes: [Index]
    /// To be run before the first row comes: what the table needs, the table, its key.
    package var statementsBefore: [String]
    /// To be run when the rows are there: indexes and constraints that only cost while they come.
    package var statementsAfter: [String]
    /// To be run when all tables are there: foreign keys.
    package var foreignKeys: [String]
    package var requirements: [Requirement]

    package init(
        engine: String, table: TableName, columns: [Column], keyColumns: [String], indexes: [Index],
        statementsBefore: [String], statementsAfter: [String], foreignKeys: [String], requirements: [Requirement] = []
    ) {
        (self.engine, self.table, self.columns, self.keyColumns) = (engine, table, columns, keyColumns)
        (self.statementsBefore, self.statementsAfter, self.foreignKeys) = (statementsBefore, statementsAfter, foreignKeys)
        (self.indexes, self.requirements) = (indexes, requirements)
    }
}

/// What makes a table on a target.
package struct TableCreation: Hashable, Sendable {
    package var table: TableName
    /// What the source calls it, where that differs: copies go by it.
    package var sourceName: TableName?
    package var statementsBefore: [PlannedStatement]
    /// For `TableCopy.statementsAfter` and `statementsLast`.
    package var statementsAfter: [String]
    package var statementsLast: [String]

    package init(
        table: TableName, sourceName: TableName? = nil, statementsBefore: [PlannedStatement], statementsAfter: [String], statementsLast: [String]
    ) {
        (self.table, self.sourceName, self.statementsBefore) = (table, sourceName, statementsBefore)
        (self.statementsAfter, self.statementsLast) = (statementsAfter, statementsLast)
    }
}
