import Glibc
package import TidemarkCore

/// Why a value cannot be held by the column that it is for. It never holds the value.
package struct ValueFault: Error {
    var column: String
    var why: String
    var remedy: String
}

/// Reads images (or keys) of one captured table and binds their values to a statement, each in its exact
/// storage class: no String and no array is made for a value, and plain text is bound where it lies.
///
/// A column's affinity may turn a value into another one. Such a value is refused, never converted.
package struct ImageBinder {
    /// What a JSON token of a column means.
    enum Meaning: UInt8 {
        /// The storage class that the token itself spells.
        case storageClass
        case integer, boolean, real, exactNumber, bytes, text

        /// - Parameter type: PostgreSQL's name of the column's type.
        init(typedText type: String) {
            switch type {
            case "smallint", "integer", "bigint": self = .integer
            case "boolean": self = .boolean
            case "real", "double precision": self = .real
            case "bytea": self = .bytes
            default: self = type.hasPrefix("numeric") ? .exactNumber : .text
            }
        }
    }

    struct Member {
        /// The parameter that takes the value; 0 where nothing does.
        var place: Int32
        var meaning: Meaning
        var affinity: SQLiteTable.Affinity
        /// An alias of the rowid makes a number of its own where it is given NULL.
        var isRowID: Bool
        var label: Range<Int>

        @inline(__always)
        func moved(by taken: Int32) -> Member {
            var member = self
            if place != 0 { member.place += taken }
            return member
        }
    }

    /// A column of the image, and the target's for it; nil where it is not bound.
    package struct Column {
        var source: CapturedColumn
        var target: SQLiteTable.Column?
        var isRowID: Bool

        package init(source: CapturedColumn, target: SQLiteTable.Column?, isRowID: Bool) {
            (self.source, self.target, self.isRowID) = (source, target, isRowID)
        }
    }

    let members: [Member]
    let names: [String]
    /// How many parameters a row takes.
    let valueCount: Int32
    /// `"name":` of every member, one after the other, as capture spells them.
    private let labels: [UInt8]

    /// - Parameter columns: in the order of the image.
    package init(_ columns: [Column], encoding: ImageEncoding) {
        var members: [Member] = []
        var labels: [UInt8] = []
        var place: Int32 = 0
        for column in columns {
            let target = column.target
            let start = labels.count
            labels.append(contentsOf: (SQLiteEncoding.jsonString(column.source.name) + ":").utf8)
            if target != nil { place += 1 }
            members.append(
                Member(
                    place: target == nil ? 0 : place,
                    meaning: encoding == .storageClasses ? .storageClass : Meaning(typedText: column.source.type),
                    affinity: target?.affinity ?? .blob, isRowID: column.isRowID, label: start..<labels.count))
        }
        self.members = members
        self.labels = labels
        valueCount = place
        names = columns.map(\.source.name)
    }

    /// Binds every member. The bytes and the scratch must stay as they are until the statement has run.
    package func bind(
        _ json: UnsafeBufferPointer<UInt8>, to statement: SQLiteStatement, _ scratch: ScratchBytes
    ) throws(ValueFault) {
        scratch.begin(atLeast: Self.scratchBytes(json.count))
        try bind(json, to: statement, behind: 0, scratch)
    }

    /// What the values of an image may take of the scratch. Twice: a bytea is unescaped first and decoded then.
    static func scratchBytes(_ imageBytes: Int) -> Int { 2 * imageBytes }

    /// Binds one of several rows: to the parameters behind those of the rows before it, whose values stay.
    func bind(
        _ json: UnsafeBufferPointer<UInt8>, to statement: SQLiteStatement, behind taken: Int32, _ scratch: ScratchBytes
    ) throws(ValueFault) {
        guard let base = json.baseAddress, json.count >= 2, json[0] == UInt8(ascii: "{"),
            json[json.count - 1] == UInt8(ascii: "}")
        else { throw malformed(nil) }
        var reader = TokenReader(base: base, count: json.count, place: 1, scratch: scratch)
        for index in members.indices {
            let member = members[index].moved(by: taken)
            let count = member.label.count
            let isNext = labels.withUnsafeBufferPointer { all in
                guard let start = all.baseAddress, count <= reader.count - reader.place else { return false }
                return memcmp(base + reader.place, start + member.label.lowerBound, count) == 0
            }
            guard isNext else { return try bindByName(&reader, to: statement, behind: taken) }
            reader.place += count
            try bindValue(index, member, &reader, to: statement)
            let separator = index == members.count - 1 ? UInt8(ascii: "}") : UInt8(ascii: ",")
            guard reader.take(separator) else { throw malformed(index) }
        }
        guard reader.place == json.count else { throw malformed(nil) }
    }

    /// The general form: members in any order, names with any escapes.
    private func bindByName(
        _ reader: inout TokenReader, to statement: SQLiteStatement, behind taken: Int32
    ) throws(ValueFault) {
        reader.place = 1
        var seen = 0
        while true {
            guard let label = reader.string(), reader.take(UInt8(ascii: ":")) else { throw malformed(nil) }
            let name = String(decoding: label, as: UTF8.self)
            guard let index = names.firstIndex(of: name) else {
                throw ValueFault(
                    column: name, why: "the image holds a column that its capture did not record",
                    remedy: "Type: tidemark setup …, then tidemark copy --table … --existing empty …")
            }
            try bindValue(index, members[index].moved(by: taken), &reader, to: statement)
            seen += 1
            if reader.take(UInt8(ascii: ",")) { continue }
            guard reader.take(UInt8(ascii: "}")), reader.place == reader.count, seen == members.count else {
                throw malformed(nil)
            }
            return
        }
    }

    func malformed(_ index: Int?) -> ValueFault {
        ValueFault(
            column: index.map { names[$0] } ?? "", why: "the image in the change log is not of the form that capture writes",
            remedy: "The log was altered, or written by another version: type tidemark setup …, then tidemark copy --table … --existing empty …")
    }
}

/// Memory for values that an image holds in an encoded form; reused from row to row.
package final class ScratchBytes {
    private var memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 4096)
    private var capacity = 4096
    private var used = 0

    package init() {}

    deinit { memory.deallocate() }

    /// Room for all the values of one image; what the last one left goes.
    func begin(atLeast count: Int) {
        used = 0
        guard count > capacity else { return }
        memory.deallocate()
        memory = .allocate(capacity: count)
        capacity = count
    }

    var free: UnsafeMutablePointer<UInt8> { memory + used }

    func keep(_ count: Int) -> UnsafeBufferPointer<UInt8> {
        defer { used += count }
        return UnsafeBufferPointer(start: memory + used, count: count)
    }
}
