package import TidemarkCore

/// Images as lines of COPY: for rows that are new, half the cost of an INSERT that reads them as JSON.
///
/// An image of PostgreSQL is one object whose members are its table's columns in their order, each a
/// scalar: what is not one in JSON was written by its type's output function, as a string, which COPY hands to
/// the input function again. Source of the format: PostgreSQL documentation, COPY, "Text Format".
package struct CopyLines {
    /// Each column of an image: its name in JSON, with what follows it, and whether it is written.
    private let members: [(name: [UInt8], isWritten: Bool)]

    /// - Parameter columns: of the images, in their order.
    package init(_ columns: [(name: String, isWritten: Bool)]) {
        members = columns.map { column in
            var name: [UInt8] = []
            JSONString.append(column.name.utf8, to: &name)
            return (name + [UInt8(ascii: ":")], column.isWritten)
        }
    }

    /// The lines of some changes of a page.
    /// - Returns: nil where an image is not of that form.
    package func lines(_ indices: [Int], of page: ChangePage) -> [UInt8]? {
        var lines: [UInt8] = []
        lines.reserveCapacity(indices.reduce(0) { $0 + (page.changes[$1].image?.count ?? 0) })
        return page.bytes.withUnsafeBufferPointer { bytes in
            for index in indices {
                guard let image = page.changes[index].image,
                    append(UnsafeBufferPointer(rebasing: bytes[image]), to: &lines)
                else { return nil }
            }
            return lines
        }
    }

    private func append(_ image: UnsafeBufferPointer<UInt8>, to lines: inout [UInt8]) -> Bool {
        guard image.first == UInt8(ascii: "{"), image.last == UInt8(ascii: "}") else { return false }
        var place = 1
        var isFirst = true
        for (number, member) in members.enumerated() {
            if number > 0 {
                guard image[place] == UInt8(ascii: ",") else { return false }
                place += 1
            }
            guard image.count - place > member.name.count,
                image[place..<place + member.name.count].elementsEqual(member.name)
            else { return false }
            place += member.name.count
            if member.isWritten, !isFirst { lines.append(UInt8(ascii: "\t")) }
            if member.isWritten { isFirst = false }
            let start = lines.count
            guard appendValue(image, &place, to: &lines) else { return false }
            if !member.isWritten { lines.removeSubrange(start...) }
        }
        guard place == image.count - 1 else { return false }
        lines.append(UInt8(ascii: "\n"))
        return true
    }

    private func appendValue(_ image: UnsafeBufferPointer<UInt8>, _ place: inout Int, to lines: inout [UInt8]) -> Bool {
        switch image[place] {
        case UInt8(ascii: "\""):
            place += 1
            return appendString(image, &place, to: &lines)
        case UInt8(ascii: "n"):
            lines.append(UInt8(ascii: "\\"))
            lines.append(UInt8(ascii: "N"))
            place += 4
            return true
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            return false
        default:
            let start = place
            while place < image.count, image[place] != UInt8(ascii: ","), image[place] != UInt8(ascii: "}") { place += 1 }
            lines.append(contentsOf: UnsafeBufferPointer(rebasing: image[start..<place]))
            return true
        }
    }

    /// - Parameter place: behind the quotation mark that opens it.
    private func appendString(_ image: UnsafeBufferPointer<UInt8>, _ place: inout Int, to lines: inout [UInt8]) -> Bool {
        while true {
            let start = place
            while place < image.count, image[place] != UInt8(ascii: "\""), image[place] != UInt8(ascii: "\\"), image[place] >= 0x20 { place += 1 }
            if place > start { lines.append(contentsOf: UnsafeBufferPointer(rebasing: image[start..<place])) }
            guard place + 1 < image.count else { return false }
            if image[place] == UInt8(ascii: "\"") {
                place += 1
                return true
            }
            guard image[place] == UInt8(ascii: "\\"), let scalar = Self.escaped(image, &place) else { return false }
            Self.append(scalar, to: &lines)
        }
    }

    /// What an escape stands for.
    /// - Parameter place: at the backslash; afterwards behind the escape.
    private static func escaped(_ image: UnsafeBufferPointer<UInt8>, _ place: inout Int) -> Unicode.Scalar? {
        let letter = image[place + 1]
        place += 2
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            guard let high = codeUnit(image, &place) else { return nil }
            guard UTF16.isLeadSurrogate(high) else { return Unicode.Scalar(high) }
            guard place + 6 <= image.count, image[place] == UInt8(ascii: "\\"), image[place + 1] == UInt8(ascii: "u") else { return nil }
            place += 2
            guard let low = codeUnit(image, &place), UTF16.isTrailSurrogate(low) else { return nil }
            return UTF16.decode(UTF16.EncodedScalar([high, low]))
        default: return nil
        }
    }

    private static func codeUnit(_ image: UnsafeBufferPointer<UInt8>, _ place: inout Int) -> UInt16? {
        guard place + 4 <= image.count else { return nil }
        defer { place += 4 }
        return UInt16(String(decoding: image[place..<place + 4], as: UTF8.self), radix: 16)
    }

    private static func append(_ scalar: Unicode.Scalar, to lines: inout [UInt8]) {
        switch scalar {
        case "\\": lines.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "\\")])
        case "\n": lines.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "n")])
        case "\r": lines.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "r")])
        case "\t": lines.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "t")])
        default: lines.append(contentsOf: UTF8.encode(scalar).map { Array($0) } ?? [])
        }
    }
}
