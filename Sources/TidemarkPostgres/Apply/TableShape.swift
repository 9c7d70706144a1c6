/// What a table of the target is made of: it differs once a column is altered, added or dropped, and
/// once another table has the name.
struct TableShape: Equatable {
    let oid: UInt32
    let name: String
    let columns: String

    /// Two expressions, of names and of columns, for the relations of an array expression. One scan of
    /// two small catalogues: it is part of every window.
    static func expressions(of relations: String) -> String {
        """
        (select string_agg(r.oid || ' ' || r.relnamespace || ' ' || r.relname, ',' order by r.oid)
         from pg_class r where r.oid = any (\(relations))),
        (select string_agg(a.attrelid || ' ' || a.attnum || ' ' || a.xmin, ',' order by a.attrelid, a.attnum)
         from pg_attribute a where a.attrelid = any (\(relations)) and a.attnum > 0)
        """
    }

    /// What the expressions say of several tables that are as they were.
    static func joined(_ shapes: [TableShape]) -> (names: String, columns: String) {
        let ordered = shapes.sorted { $0.oid < $1.oid }
        return (ordered.map(\.name).joined(separator: ","), ordered.map(\.columns).joined(separator: ","))
    }
}
