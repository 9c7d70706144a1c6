import Testing
import TidemarkCore
import TidemarkTestSupport

@Suite("Parking")
struct ParkingProperties {
    /// Tables in small: rows by key, and whole rows as a multiset.
    private struct Tables: Equatable {
        var keyed: [TableName: [String: String]] = [:]
        var whole: [TableName: [String: Int]] = [:]

        mutating func apply(_ page: ChangePage, _ index: Int, _ tables: [Int32: CapturedTable]) {
            let change = page.changes[index]
            guard let name = tables[change.capture]?.name else { return }
            func text(_ range: Range<Int>?) -> String? { range.map { String(decoding: page.bytes[$0], as: UTF8.self) } }
            if change.operation == .truncate {
                (keyed[name], whole[name]) = ([:], [:])
            } else if let key = text(change.key) {
                // Keys of captures that are not compared by text: 1.0 and 1.00 name one row.
                let row = change.capture == 4 ? key.replacing("0\"", with: "\"") : key
                keyed[name, default: [:]][row] = change.operation == .delete ? nil : text(change.image)
            } else {
                whole[name, default: [:]][text(change.image) ?? "", default: 0] += change.operation == .delete ? -1 : 1
            }
        }

        var settled: Tables {
            var copy = self
            copy.keyed = copy.keyed.filter { !$0.value.isEmpty }
            copy.whole = copy.whole.mapValues { $0.filter { $0.value != 0 } }.filter { !$0.value.isEmpty }
            return copy
        }
    }

    /// Two tables with keys, one of them in two generations; one without; and one whose keys are not their text.
    private static let tables: [Int32: CapturedTable] = {
        func table(_ capture: Int32, _ name: String, _ key: [String], _ type: String) -> CapturedTable {
            CapturedTable(
                capture: capture, name: TableName(schema: "public", name: name), columns: [CapturedColumn(name: "id", type: type)],
                keyColumns: key, encoding: .typedText)
        }
        let all = [
            table(1, "a", ["id"], "integer"), table(2, "b", ["id"], "integer"), table(3, "w", [], "integer"), table(4, "n", ["id"], "numeric"),
            table(5, "a", ["id"], "bigint"),
        ]
        return Dictionary(uniqueKeysWithValues: all.map { ($0.capture, $0) })
    }()

    private struct Change {
        var transaction: UInt64
        var page: ChangePage
    }

    /// Interleaved transactions; the ids go on over windows.
    private static func window(_ random: inout SeededRandom, _ nextID: inout Int64, _ nextTransaction: inout UInt64) -> [ChangePage] {
        let makers = nextTransaction..<nextTransaction + 8
        nextTransaction += 8
        var pages = [ChangePage()]
        for _ in 0..<Int.random(in: 10...60, using: &random) {
            nextID += 1
            if Int.random(in: 0..<8, using: &random) == 0 { pages.append(ChangePage()) }
            let capture = Int32.random(in: 1...(nextID > 200 ? 5 : 4), using: &random)
            let isTruncation = Int.random(in: 0..<60, using: &random) == 0
            let operation = isTruncation ? Operation.truncate : [.insert, .update, .delete].randomElement(using: &random)!
            let number = Int.random(in: 0..<12, using: &random)
            let key = Array((capture == 4 ? "{\"id\":\"\(number).\(Bool.random(using: &random) ? "0" : "00")\"}" : "{\"id\":\(number)}").utf8)
            let image = Array("{\"v\":\(Int.random(in: 0..<5, using: &random))}".utf8)
            let hasKey = capture != 3 && !isTruncation
            let hasImage = !isTruncation && (capture == 3 || operation != .delete)
            key.withUnsafeBytes { key in
                image.withUnsafeBytes { image in
                    pages[pages.count - 1].append(
                        id: nextID, capture: capture, operation: operation, key: hasKey ? key : nil, image: hasImage ? image : nil,
                        transaction: makers.randomElement(using: &random)!)
                }
            }
        }
        return pages
    }

    private struct Kept {
        var owner: Int64
        var id: Int64
        var page: ChangePage
    }

    @Test("what is applied, and then what is parked, in whichever order, leaves what all would have left", arguments: 0..<600)
    func leavesTheSame(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var (inOrder, split) = (Tables(), Tables())
        var (nextID, nextTransaction) = (Int64(0), UInt64(1))
        var scope = ParkedScope()
        var kept: [Kept] = []
        /// The lowest id of those that are settled together, by id.
        var settledWith: [Int64: Int64] = [:]
        var nextOwner = Int64(1)
        for _ in 0..<8 {
            let pages = Self.window(&random, &nextID, &nextTransaction)
            var plan = ParkingPlan()
            plan.comparedByText = [1, 2, 5]
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                let transaction = nextTransaction - UInt64.random(in: 1...8, using: &random)
                let fault = ParkedFault(transaction: "", table: nil, key: nil, changeID: nil, reason: "")
                let holding = Int.random(in: 0..<6, using: &random) == 0 ? Self.tables[2]?.name : nil
                plan.setAside(transaction, for: fault, holding: holding)
            }
            let ids = plan.faults.indices.map { nextOwner + Int64($0) }
            nextOwner += Int64(ids.count)
            for id in ids { settledWith[id] = id }
            func id(_ owner: ParkedOwner) -> Int64 {
                switch owner {
                case .known(let id): id
                case .new(let place): ids[place]
                }
            }
            var cut = WindowSplit(scope, plan, tables: Self.tables)
            var held: [(place: ParkedPlace, capture: Int32, key: String?)] = []
            for page in pages {
                for index in page.changes.indices { inOrder.apply(page, index, Self.tables) }
                let part = cut.split(page)
                #expect(part.applied.changes.count + part.parked.changes.count == page.changes.count)
                for index in part.applied.changes.indices { split.apply(part.applied, index, Self.tables) }
                for (index, place) in part.places.enumerated() {
                    var single = ChangePage()
                    single.take(index, from: part.parked)
                    kept.append(Kept(owner: id(place.owner), id: single.changes[0].id, page: single))
                    held.append((place, single.changes[0].capture, single.changes[0].key.map { String(decoding: single.bytes[$0], as: UTF8.self) }))
                }
                for joined in part.joined {
                    let pair = [settledWith[id(joined.one)]!, settledWith[id(joined.other)]!]
                    for (one, with) in settledWith where pair.contains(with) { settledWith[one] = pair.min()! }
                }
            }
            // As a target tells it anew.
            for (place, capture, _) in held where place.holdsTable { scope.holdAll(of: Self.tables[capture]!.name, by: .known(id(place.owner))) }
            for (place, capture, key) in held {
                guard let key, let table = Self.tables[capture] else { continue }
                scope.hold(key, of: table.name, keyForm: table.keyForm, by: .known(id(place.owner)))
            }
            // Some are settled while others stay.
            if Int.random(in: 0..<3, using: &random) == 0, let some = Set(settledWith.values).randomElement(using: &random) {
                Self.settle(some, &kept, &settledWith, &split)
                scope = Self.scope(of: kept, wholeAt: scope)
            }
        }
        while let some = Set(settledWith.values).randomElement(using: &random) { Self.settle(some, &kept, &settledWith, &split) }
        #expect(kept.isEmpty && split.settled == inOrder.settled)
    }

    private static func settle(_ group: Int64, _ kept: inout [Kept], _ settledWith: inout [Int64: Int64], _ split: inout Tables) {
        let ids = Set(settledWith.filter { $0.value == group }.keys)
        for one in kept.filter({ ids.contains($0.owner) }).sorted(by: { $0.id < $1.id }) { split.apply(one.page, 0, tables) }
        kept.removeAll { ids.contains($0.owner) }
        settledWith = settledWith.filter { !ids.contains($0.key) }
    }

    /// What is still held, of what was.
    private static func scope(of kept: [Kept], wholeAt earlier: ParkedScope) -> ParkedScope {
        var scope = ParkedScope()
        for one in kept {
            guard let table = tables[one.page.changes[0].capture] else { continue }
            if case .known(let id)? = earlier.tables[table.name]?.whole, kept.contains(where: { $0.owner == id }) {
                scope.holdAll(of: table.name, by: .known(id))
            } else if let key = one.page.changes[0].key {
                scope.hold(String(decoding: one.page.bytes[key], as: UTF8.self), of: table.name, keyForm: table.keyForm, by: .known(one.owner))
            }
        }
        return scope
    }

    @Test("beyond so many keys a table is held as a whole")
    func full() {
        var scope = ParkedScope()
        let name = TableName(schema: nil, name: "a")
        for key in 0..<ParkedScope.keysMax { scope.hold("\(key)", of: name, keyForm: [], by: .known(1)) }
        #expect(scope.isFull)
        #expect(scope.holdAll(of: name, by: .known(2)) == [.known(1)] && !scope.isFull)
        scope.release(name)
        #expect(scope.isEmpty)
    }
}
