/// A table as one generation of capture logs it.
package struct CapturedTable: Hashable, Sendable {
    /// The number of the generation; every log row carries it.
    package var capture: Int32
    package var name: TableName
    /// What the images hold, in their order.
    package var columns: [CapturedColumn]
    /// What the keys hold; empty where a row is identified by its whole image.
    package var keyColumns: [String]
    /// How keys and images are written.
    package var encoding: ImageEncoding
    /// What the target calls it; nil for the same.
    package var targetName: TableName?
    /// As the target calls it: what its engine looks for there.
    package var atTarget: TableName { targetName ?? name }
    /// What becomes of rows that the target has changed, too; nil where nobody but the pipeline changes them.
    package var conflicts: ConflictRule?
    /// Are its triggers gone? Rows that they wrote may still be in the log.
    package var isRetired: Bool

    package init(
        capture: Int32, name: TableName, columns: [CapturedColumn], keyColumns: [String], encoding: ImageEncoding,
        isRetired: Bool = false
    ) {
        self.isRetired = isRetired
        self.capture = capture
        self.name = name
        self.columns = columns
        self.keyColumns = keyColumns
        self.encoding = encoding
    }
}

/// A column of a captured table.
package struct CapturedColumn: Hashable, Sendable {
    package var name: String
    /// The source engine's own name of the type, with modifiers and qualified where it is not built
    /// in; of a domain, the type below it. In SQLite the declared type, which may be empty.
    package var type: String
    /// The source computes it; a target that computes it too is not given its values.
    package var isGenerated: Bool

    package init(name: String, type: String, isGenerated: Bool = false) {
        self.name = name
        self.type = type
        self.isGenerated = isGenerated
    }
}

/// How an image writes values. Every encoding is one flat JSON object, column name to value.
package enum ImageEncoding: String, Hashable, Sendable {
    /// Each value as its type's text: JSON numbers for integers, floats and numerics, `true` and
    /// `false`, `null`, and JSON strings for everything else, also NaN and the infinities. What the
    /// text means, the column's type says.
    case typedText
    /// SQLite's five storage classes, whatever the column: `null`; digits; a real with an exponent
    /// (`1.00000000000000000000e+00`; `1e999` and `-1e999` are the infinities); `"printable ASCII"`
    /// without `"` and `\`; `{"t":"HEX"}` any other text; `{"x":"HEX"}` a blob.
    case storageClasses
}
