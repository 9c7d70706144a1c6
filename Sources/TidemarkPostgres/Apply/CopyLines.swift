package import TidemarkCore

/// Images as lines of COPY: for rows that are new, half the cost of an INSERT that reads them as JSON.
///
/// An image of PostgreSQL is one object whose members are its table's columns in their order, each a
/// scalar: what is not one in JSON was written by its type's output function, as a string, which COPY hands to
/// the input function again. Source of the format: PostgreSQL documentation, COPY, "Text Format".
package struct CopyLines {
    /// `"name":` of every member, one after the other, as capture spells them.
    private let labels: [UInt8]
    private let members: [(label: Range<Int>, isWritten: Bool)]

    /// - Parameter columns: of the images, in their order.
    package init(_ columns: [(name: String, isWritten: Bool)]) {
        var labels: [UInt8] = []
        members = columns.map { column in
            let start = labels.count
            JSONString.append(column.name.utf8, to: &labels)
            labels.append(UInt8(ascii: ":"))
            return (start..<labels.count, column.isWritten)
        }
        self.labels = labels
    }

    /// The lines of some changes of a page.
    /// - Returns: nil where an image is not of that form.
    package func lines(_ indices: [Int], of page: ChangePage) -> [UInt8]? {
        var bytesMax = 0
        for index in indices {
            guard let image = page.changes[index].image else { return nil }
            bytesMax += image.count
        }
        var isComplete = true
        let lines = [UInt8](unsafeUninitializedCapacity: bytesMax) { buffer, count in
            guard let start = buffer.baseAddress else { return }
            page.bytes.withUnsafeBufferPointer { bytes in
                labels.withUnsafeBufferPointer { labels in
                    for index in indices {
                        guard let image = page.changes[index].image,
                            let written = write(UnsafeBufferPointer(rebasing: bytes[image]), labels, to: start + count)
                        else {
                            isComplete = false
                            return
                        }
                        count += written
                    }
                }
            }
        }
        return isComplete ? lines : nil
    }

    /// - Returns: how many bytes the line has.
    private func write(
        _ image: UnsafeBufferPointer<UInt8>, _ labels: UnsafeBufferPointer<UInt8>, to start: UnsafeMutablePointer<UInt8>
    ) -> Int? {
        guard let base = image.baseAddress else { return nil }
        var values = CopyValues(from: base, end: base + image.count, to: start)
        guard values.take(UInt8(ascii: "{")) else { return nil }
        var isFirst = true
        for number in members.indices {
            if number > 0 { guard values.take(UInt8(ascii: ",")) else { return nil } }
            let (label, isWritten) = members[number]
            guard values.take(UnsafeBufferPointer(rebasing: labels[label])) else { return nil }
            let place = values.to
            if isWritten, !isFirst { values.put(UInt8(ascii: "\t")) }
            guard values.copyValue() else { return nil }
            if isWritten { isFirst = false } else { values.to = place }
        }
        guard values.take(UInt8(ascii: "}")), values.isAtEnd else { return nil }
        values.put(UInt8(ascii: "\n"))
        return values.to - start
    }
}
