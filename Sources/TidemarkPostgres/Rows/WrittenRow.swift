import TidemarkCore

/// What writes rows of a relation, under the alias t, as capture would log them.
struct WrittenRow {
    let image: String
    let key: String
    /// Of the row x of a list of keys.
    let keyOfList: String

    init(of relation: RowRelation, in session: PostgresSession) throws(PostgresFailure) {
        let rows: PostgresRows
        if let shaped = relation.shaped {
            let columns = shaped.columns.map { column in
                let own = shaped.computed[column.name] == nil ? column.source.map(JSONString.quoted) : nil
                return "{\"name\":\(JSONString.quoted(column.name)),\"own\":\(own ?? "null"),\"type\":\(shaped.computed[column.name]?.oid ?? "null")}"
            }
            let keys = zip(shaped.table.keyColumns, shaped.source.keyColumns).map { "{\"name\":\(JSONString.quoted($0)),\"own\":\(JSONString.quoted($1))}" }
            rows = try session.query(
                Self.shapedQuery,
                [.text(relation.oid), .json(Array("[\(columns.joined(separator: ","))]".utf8)), .json(Array("[\(keys.joined(separator: ","))]".utf8))])
        } else {
            rows = try session.query(
                "select tidemark.row_image($1::oid::regclass), tidemark.row_key($1::oid::regclass, 't'), tidemark.row_key($1::oid::regclass, 'x')",
                [.text(relation.oid)])
        }
        (image, key, keyOfList) = (rows[0, 0] ?? "null", rows[0, 1] ?? "null", rows[0, 2] ?? "null")
    }

    /// As `tidemark.row_image` and `tidemark.row_key`, by the names that the target has: what travels as it is by the type of
    /// the table's column, what is computed by that of its expression.
    private static let shapedQuery = """
        select (select format('(select row_to_json(i.*)::text from (select %s) i)', string_agg(
                    format('%s as %I', tidemark.column_expression('t', c.name, coalesce(c.type, a.atttypid)), c.name), ', ' order by c.place))
                from rows from (json_to_recordset($2) as (name text, own text, type oid)) with ordinality as c(name, own, type, place)
                left join pg_attribute a on a.attrelid = $1::oid and a.attname = c.own),
               k.of_t, k.of_x
        from (select tidemark.json_object(array_agg(tidemark.json_member(c.name, tidemark.field('t', c.name), a.atttypid) order by c.place)) as of_t,
                     tidemark.json_object(array_agg(tidemark.json_member(c.name, tidemark.field('x', c.name), a.atttypid) order by c.place)) as of_x
              from rows from (json_to_recordset($3) as (name text, own text)) with ordinality as c(name, own, place)
              join pg_attribute a on a.attrelid = $1::oid and a.attname = c.own) k
        """
}
