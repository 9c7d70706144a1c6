import Testing
import TidemarkTestSupport

@testable import TidemarkCore

@Suite("Plans")
struct PagePlanProperties {
    /// Tables in small: keyed rows by key, whole rows as a multiset.
    private struct Tables: Equatable {
        var keyed: [Int32: [[UInt8]: [UInt8]]] = [:]
        var whole: [Int32: [[UInt8]: Int]] = [:]

        mutating func apply(_ change: Change, of page: ChangePage) {
            let image = change.image.map { Array(page.bytes[$0]) }
            if change.operation == .truncate {
                keyed[change.capture] = [:]
                whole[change.capture] = [:]
            } else if let key = change.key.map({ Array(page.bytes[$0]) }) {
                keyed[change.capture, default: [:]][key] = change.operation == .delete ? nil : image
            } else if let image {
                whole[change.capture, default: [:]][image, default: 0] += change.operation == .delete ? -1 : 1
            }
        }

        var settled: Tables {
            var copy = self
            copy.keyed = copy.keyed.filter { !$0.value.isEmpty }
            copy.whole = copy.whole.mapValues { $0.filter { $0.value != 0 } }.filter { !$0.value.isEmpty }
            return copy
        }
    }

    private static func page(_ random: inout SeededRandom) -> ChangePage {
        var page = ChangePage()
        for id in 1...Int64.random(in: 1...120, using: &random) {
            let capture = Int32.random(in: 1...3, using: &random)
            let operations: [Operation] = [.insert, .update, .update, .delete]
            let truncated = Int.random(in: 0..<40, using: &random) == 0
            let operation = truncated ? .truncate : operations.randomElement(using: &random)!
            let key = Array("{\"id\":\(Int.random(in: 0..<15, using: &random))}".utf8)
            let image = Array("{\"id\":0,\"v\":\(Int.random(in: 0..<4, using: &random))}".utf8)
            let keyless = capture == 3 || truncated
            key.withUnsafeBytes { key in
                image.withUnsafeBytes { image in
                    page.append(
                        id: id, capture: capture, operation: operation, key: keyless ? nil : key,
                        image: truncated || (operation == .delete && !keyless) ? nil : image)
                }
            }
        }
        return page
    }

    @Test("coalesced and page-cut application equals replay in order", arguments: 0..<300)
    func equalsReplay(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let coalesces = Bool.random(using: &random)
        var replayed = Tables()
        var planned = Tables()
        for _ in 0..<4 {
            let page = Self.page(&random)
            for change in page.changes { replayed.apply(change, of: page) }
            let plan = try PagePlan(coalescing: page, keysCompareByText: { _ in coalesces })
            for table in plan.tables {
                if table.truncates {
                    planned.keyed[table.capture] = [:]
                    planned.whole[table.capture] = [:]
                }
                let order = table.wholeRowInsertions + table.keyedChanges + table.wholeRowDeletions
                for index in order { planned.apply(page.changes[index], of: page) }
                if table.coalesced {
                    let keys = table.keyedChanges.compactMap { page.changes[$0].key.map { Array(page.bytes[$0]) } }
                    #expect(Set(keys).count == keys.count)
                }
            }
        }
        #expect(planned.settled == replayed.settled)
    }

    @Test("a change without its row stops the plan at that change", arguments: [Operation.shapeChanged, .imageTooLarge])
    func unappliable(operation: Operation) {
        var page = ChangePage()
        page.append(id: 1, capture: 1, operation: .truncate, key: nil, image: nil)
        page.append(id: 2, capture: 1, operation: operation, key: nil, image: nil)
        #expect(throws: UnappliableChange(index: 1, operation: operation)) {
            try PagePlan(coalescing: page, keysCompareByText: { _ in true })
        }
    }

    @Test("key order puts numbers by value and loses none")
    func keyOrder() {
        var page = ChangePage()
        for (id, number) in [100, 9, 20, 1, 1000].enumerated() {
            Array("{\"id\":\(number)}".utf8).withUnsafeBytes { key in
                page.append(id: Int64(id), capture: 1, operation: .update, key: key, image: nil)
            }
        }
        #expect(page.inKeyOrder(Array(0..<5)) == [3, 1, 2, 0, 4])
    }

    @Test("key order is that of length and then of bytes, whatever keys have in common", arguments: 0..<100)
    func keyOrder(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let shared = "{\"id\":\"".prefix(Int.random(in: 0...7, using: &random))
        let keys = Set((0..<40).map { _ in
            shared + (0..<Int.random(in: 0...20, using: &random)).map { _ in ["0", "1", "ü"].randomElement(using: &random)! }.joined()
        }).map { Array($0.utf8) }
        var page = ChangePage()
        for (id, key) in keys.enumerated() {
            key.withUnsafeBytes { page.append(id: Int64(id), capture: 1, operation: .update, key: $0, image: nil) }
        }
        let expected = keys.indices.sorted { keys[$0].count == keys[$1].count ? keys[$0].lexicographicallyPrecedes(keys[$1]) : keys[$0].count < keys[$1].count }
        #expect(page.inKeyOrder(Array(keys.indices)) == expected)
        #expect(page.inKeyOrder([]) == [])
    }
}
