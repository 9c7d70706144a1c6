/// What the values of a column can say of when a row was written.
enum ColumnGrowth {
    /// A time.
    case moment
    /// A number, or what the server counts by.
    case number
    /// Grows where its writer sees to it: an ISO time in a text.
    case text
    /// Grows where its writer sees to it, and usually does not: a UUID, bytes, whatever an extension brings.
    case identifier
    /// A truth, a document, a list, a time of day: nothing that a later value is above of.
    case none

    fileprivate static let ungrown: Set = [
        "boolean", "json", "jsonb", "xml", "time without time zone", "time with time zone", "interval", "tsvector", "tsquery",
    ]
    fileprivate static let places: Set = ["point", "line", "lseg", "box", "path", "polygon", "circle"]
}

extension TargetColumn {
    var growth: ColumnGrowth {
        guard let type = TypeText(baseType), !type.isArray else { return .none }
        guard !type.isQualified || type.name == "citext" else { return .identifier }
        return switch type.name {
        case "timestamp without time zone", "timestamp with time zone", "date": .moment
        case "smallint", "integer", "bigint", "numeric", "real", "double precision", "oid", "xid8", "pg_lsn": .number
        case _ where isText, "citext": .text
        case _ where ColumnGrowth.ungrown.contains(type.name) || ColumnGrowth.places.contains(type.name) || type.name.hasSuffix("range"): .none
        default: .identifier
        }
    }

    /// Can rows be sorted by it at all?
    var isInOrder: Bool { TypeText(baseType).map { !["json", "xml"].contains($0.name) && !ColumnGrowth.places.contains($0.name) } ?? true }
}
