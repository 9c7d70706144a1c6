/// What the values of a column can say of when a row was written.
enum ColumnGrowth {
    /// A time.
    case moment
    /// A number, or what the server counts by.
    case number
    /// Grows where its writer sees to it: an ISO time in a text.
    case text
    /// Grows where its writer sees to it, and usually does not: a UUID, bytes.
    case identifier
    /// A truth, a document, a list, a place: nothing that a later value is above of.
    case none
}

extension TargetColumn {
    var growth: ColumnGrowth {
        guard let type = TypeText(baseType), !type.isArray else { return .none }
        return switch type.name {
        case "timestamp without time zone", "timestamp with time zone", "date": .moment
        case "smallint", "integer", "bigint", "numeric", "real", "double precision", "oid", "xid8", "pg_lsn": .number
        case _ where isText: .text
        case "uuid", "bytea": .identifier
        default: .none
        }
    }
}
