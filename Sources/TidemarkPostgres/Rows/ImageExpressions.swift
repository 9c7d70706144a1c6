import TidemarkCore

/// Writes the expressions for a row's image and key where `tidemark.row_image` and `tidemark.row_key` are not installed, or where the
/// columns are no table's own. What they return is the same, byte for byte: whoever changes one of them changes both.
struct ImageExpressions {
    /// In the order of the image.
    let columns: [ImageColumn]
    let alias: String

    init(of columns: [ImageColumn], alias: String = "t") { (self.columns, self.alias) = (columns, alias) }

    /// NULL where the image would be too large for one value.
    var image: String {
        guard let fits else { return json }
        return "case when \(fits) then \(json) end"
    }

    /// - Parameter names: of the key's columns, in its order.
    func key(_ names: [String]) -> String {
        let members = names.compactMap { name in columns.first { $0.name == name } }.map(member)
        let comma = " operator(pg_catalog.||) ',' operator(pg_catalog.||) "
        return "'{' operator(pg_catalog.||) \(members.joined(separator: comma)) operator(pg_catalog.||) '}'"
    }

    private func field(_ column: ImageColumn) -> String { "\(alias).\(PostgresIdentifier.quoted(column.name))" }

    /// As tidemark.row_json: an error where it would be too large.
    var json: String {
        let values = columns.map { column in
            let field = field(column)
            let value = column.form.isPlain ? field : "case when \(field) is distinct from null then pg_catalog.format('%s', \(field)) end"
            return "\(value) as \(PostgresIdentifier.quoted(column.name))"
        }
        return "(select pg_catalog.row_to_json(i.*)::pg_catalog.text from (select \(values.joined(separator: ", "))) i)"
    }

    /// As tidemark.json_member.
    private func member(_ column: ImageColumn) -> String {
        let label = PostgresIdentifier.literal(JSONString.quoted(column.name) + ":")
        let field = field(column)
        let value =
            if column.form.isInteger {
                "\(field)::pg_catalog.text"
            } else if column.form.isPlain {
                "pg_catalog.to_json(\(field))::pg_catalog.text"
            } else {
                "pg_catalog.to_json(pg_catalog.format('%s', \(field)))::pg_catalog.text"
            }
        return "\(label) operator(pg_catalog.||) \(value)"
    }

    private static let imageBytesMax = 1_000_000_000

    /// As tidemark.image_fits.
    private var fits: String? {
        let sized = columns.compactMap { column in
            column.form.size.map { size in
                (bytes: "pg_catalog.\(size.function)(\(field(column)))", growth: size.growth)
            }
        }
        guard !sized.isEmpty else { return nil }
        let small = sized.map { "\($0.bytes) operator(pg_catalog.<) \(Self.imageBytesMax / $0.growth / sized.count)" }
        let sum = sized.map { "coalesce(\($0.growth) operator(pg_catalog.*) \($0.bytes)::pg_catalog.int8, 0)" }
        return "((\(small.joined(separator: " and "))) is not false or \(sum.joined(separator: " operator(pg_catalog.+) "))"
            + " operator(pg_catalog.<=) \(Self.imageBytesMax))"
    }
}

struct ImageColumn {
    var name: String
    var form: TypeForm
}

/// How values of a type are written.
struct TypeForm {
    /// By row_to_json itself.
    let isPlain: Bool
    let isInteger: Bool
    /// What tells how long a value is, and how much longer it may become in JSON.
    let size: (function: String, growth: Int)?

    /// By the types' OIDs.
    static func all(of types: some Sequence<UInt32>, in session: PostgresSession) throws(PostgresFailure) -> [UInt32: TypeForm] {
        let rows = try session.query(
            """
            select t.oid, t.oid < 16384 and t.typtype = 'b' and t.typcategory <> 'A' and t.typname not in ('json', 'jsonb'),
                   t.oid = any ('{int2,int4,int8}'::regtype[]),
                   case when t.typlen <> -1 or t.oid = 'numeric'::regtype then ''
                        when t.oid = any ('{text,varchar,bpchar}'::regtype[]) then 'text'
                        when t.oid = 'bytea'::regtype then 'bytes' else 'other' end
            from pg_type t where t.oid = any ($1::oid[])
            """, [.text("{\(Set(types).sorted().map(String.init).joined(separator: ","))}")])
        var forms: [UInt32: TypeForm] = [:]
        for row in 0..<rows.count {
            let size: (function: String, growth: Int)? = switch rows[row, 3] {
            case "text": ("octet_length", 6)
            case "bytes": ("octet_length", 4)
            case "other": ("pg_column_size", 4)
            default: nil
            }
            forms[UInt32(rows[row, 0] ?? "") ?? 0] = TypeForm(isPlain: rows[row, 1] == "t", isInteger: rows[row, 2] == "t", size: size)
        }
        return forms
    }
}
