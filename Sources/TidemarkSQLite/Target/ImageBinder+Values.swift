import Glibc

/// One value: its token, what the token means, and what the column would make of it.
extension ImageBinder {
    @inline(__always)
    func bindValue(
        _ index: Int, _ member: Member, _ reader: inout TokenReader, to statement: SQLiteStatement
    ) throws(ValueFault) {
        switch reader.peek {
        case UInt8(ascii: "\""):
            if member.meaning == .storageClass {
                guard let text = reader.plainString() else { throw malformed(index) }
                try bindText(text, index, member, to: statement)
            } else {
                guard let text = reader.string() else { throw malformed(index) }
                try bindTypedString(text, index, member, reader, to: statement)
            }
        case UInt8(ascii: "n"):
            guard reader.take(word: "null") else { throw malformed(index) }
            if member.place == 0 { return }
            guard !member.isRowID else {
                throw fault(index, "NULL in an INTEGER PRIMARY KEY would become a number of SQLite's own choice")
            }
            statement.bindNull(at: member.place)
        case UInt8(ascii: "{"):
            guard member.meaning == .storageClass, let (bytes, isText) = reader.hexObject() else {
                throw malformed(index)
            }
            if isText {
                try bindText(bytes, index, member, to: statement)
            } else {
                try bindBlob(bytes, index, member, to: statement)
            }
        case UInt8(ascii: "t"), UInt8(ascii: "f"):
            let value = reader.peek == UInt8(ascii: "t")
            guard member.meaning == .boolean, reader.take(word: value ? "true" : "false") else {
                throw malformed(index)
            }
            try bindInteger(value ? 1 : 0, index, member, to: statement)
        default:
            try bindNumber(index, member, &reader, to: statement)
        }
    }

    private func bindNumber(
        _ index: Int, _ member: Member, _ reader: inout TokenReader, to statement: SQLiteStatement
    ) throws(ValueFault) {
        guard let token = reader.number() else { throw malformed(index) }
        switch member.meaning {
        case .storageClass where token.isInteger, .integer:
            guard let number = TokenReader.integer(token.bytes) else { throw malformed(index) }
            try bindInteger(number, index, member, to: statement)
        case .storageClass, .real:
            // The byte behind the token is a comma or a brace of the image: there strtod stops.
            guard let start = token.bytes.baseAddress else { throw malformed(index) }
            let number = start.withMemoryRebound(to: CChar.self, capacity: token.bytes.count) { strtod($0, nil) }
            try bindReal(number, index, member, to: statement)
        case .exactNumber:
            try bindText(token.bytes, index, member, to: statement)
        case .boolean, .bytes, .text:
            throw malformed(index)
        }
    }

    private func bindTypedString(
        _ text: UnsafeBufferPointer<UInt8>, _ index: Int, _ member: Member, _ reader: TokenReader,
        to statement: SQLiteStatement
    ) throws(ValueFault) {
        switch member.meaning {
        case .text, .exactNumber:
            try bindText(text, index, member, to: statement)
        case .bytes:
            guard let bytes = reader.byteaBytes(text) else { throw malformed(index) }
            try bindBlob(bytes, index, member, to: statement)
        case .real:
            let number = Double(String(decoding: text, as: UTF8.self)) ?? .nan
            guard !number.isNaN else { throw fault(index, "SQLite holds no NaN: it would become NULL") }
            try bindReal(number, index, member, to: statement)
        // Capture writes what is of a domain as a string, whatever the type below it.
        case .integer:
            guard let number = TokenReader.integer(text) else { throw malformed(index) }
            try bindInteger(number, index, member, to: statement)
        case .boolean:
            guard text.elementsEqual("t".utf8) || text.elementsEqual("f".utf8) else { throw malformed(index) }
            try bindInteger(text.first == UInt8(ascii: "t") ? 1 : 0, index, member, to: statement)
        case .storageClass:
            throw malformed(index)
        }
    }

    @inline(__always)
    private func bindInteger(
        _ number: Int64, _ index: Int, _ member: Member, to statement: SQLiteStatement
    ) throws(ValueFault) {
        if member.place == 0 { return }
        switch member.affinity {
        case .text: throw fault(index, "the column would turn an integer into text")
        case .real: throw fault(index, "the column would turn an integer into a real")
        case .integer, .numeric, .blob: statement.bind(number, at: member.place)
        }
    }

    private func bindReal(
        _ number: Double, _ index: Int, _ member: Member, to statement: SQLiteStatement
    ) throws(ValueFault) {
        if member.place == 0 { return }
        switch member.affinity {
        case .text: throw fault(index, "the column would turn a real into text")
        case .integer, .numeric:
            if number == number.rounded(.towardZero), number.magnitude < 0x1p63 || number == -0x1p63 {
                throw fault(index, "the column would turn a whole real into an integer")
            }
        case .real:
            if number == 0, number.sign == .minus {
                throw fault(index, "the column would turn -0.0 into 0.0")
            }
        case .blob: break
        }
        statement.bind(number, at: member.place)
    }

    @inline(__always)
    private func bindText(
        _ text: UnsafeBufferPointer<UInt8>, _ index: Int, _ member: Member, to statement: SQLiteStatement
    ) throws(ValueFault) {
        if member.place == 0 { return }
        if member.affinity != .text, member.affinity != .blob, TokenReader.looksNumeric(text) {
            throw fault(index, "the column would turn text that looks like a number into a number")
        }
        guard statement.bindText(borrowing: text, at: member.place) else { throw tooLong(index) }
    }

    private func bindBlob(
        _ bytes: UnsafeBufferPointer<UInt8>, _ index: Int, _ member: Member, to statement: SQLiteStatement
    ) throws(ValueFault) {
        if member.place == 0 { return }
        guard statement.bindBlob(borrowing: bytes, at: member.place) else { throw tooLong(index) }
    }

    private func fault(_ index: Int, _ why: String) -> ValueFault {
        ValueFault(
            column: names[index], why: why,
            remedy: "Declare the target's column \(SQLiteIdentifier.quoted(names[index])) with a type that keeps it"
                + " (TEXT for texts and exact numbers, no type for anything), then type: tidemark run …")
    }

    private func tooLong(_ index: Int) -> ValueFault {
        ValueFault(
            column: names[index], why: "the value is longer than SQLite's limit",
            remedy: "Shorten the value on the source, or leave the table out with --exclude.")
    }
}
