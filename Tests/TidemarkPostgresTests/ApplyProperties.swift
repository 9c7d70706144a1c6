import Testing
import TidemarkCore

@testable import TidemarkPostgres

@Suite("Apply: properties")
struct ApplyProperties {
    /// What replaying the changes one by one leaves. Keys of `n` are equal by value, and keep the last text.
    private struct Model {
        var seats: [Int: Int] = [:]
        var numbers: [Int: (text: String, v: Int)] = [:]
        var whole: [Int: Int] = [:]

        var rows: [[String]] {
            [
                seats.map { "(\($0),\($1))" }.sorted(), numbers.map { "(\($1.text),\($1.v))" }.sorted(),
                whole.flatMap { Array(repeating: "(\($0))", count: $1) }.sorted(),
            ]
        }
    }

    @Test("windows cut into any pages, paged or staged, equal replay change by change", arguments: 0..<4)
    func equalsReplay(seed: UInt64) throws {
        var random = Generator(state: seed &* 7919 &+ 1)
        let bench = try ApplyBench(
            """
            create table seat (id int primary key, place int unique); create table n (k numeric primary key, v int);
            create table w (x int)
            """)
        bench.capture(1, "seat", ["id", "place"], key: ["id"])
        bench.capture(2, "n", ["k", "v"], key: ["k"])
        bench.capture(3, "w", ["x"])
        var model = Model()
        for round in 0..<25 {
            var pages: [[TestChange]] = [[]]
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                if Int.random(in: 0..<12, using: &random) == 0 { pages.append([]) }
                pages[pages.count - 1] += Self.step(&model, &random)
            }
            if round % 2 == 0 { try bench.follow(pages) } else { try bench.apply(.staged, pages) }
            #expect(try [bench.rows("seat").sorted(), bench.rows("n").sorted(), bench.rows("w").sorted()] == model.rows, "round \(round)")
        }
    }

    /// One statement of a source: it keeps `seat.place` unique at its end, not in between.
    private static func step(_ model: inout Model, _ random: inout Generator) -> [TestChange] {
        let id = Int.random(in: 1...6, using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0 where Int.random(in: 0..<4, using: &random) == 0:
            (model.seats, model.whole) = ([:], [:])
            return [.truncate(1), .truncate(3)]
        case 0, 1:
            guard model.seats.removeValue(forKey: id) != nil else { return [] }
            return [.gone(1, #"{"id":\#(id)}"#)]
        case 2, 3, 4:
            // Swaps with whoever holds the place.
            let place = Int.random(in: 1...6, using: &random)
            var changes = [id]
            let held = model.seats[id]
            if let other = model.seats.first(where: { $0.value == place })?.key, other != id {
                model.seats[other] = held
                changes.insert(other, at: 0)
            }
            model.seats[id] = place
            return changes.map { id in
                model.seats[id].map { .up(1, #"{"id":\#(id)}"#, #"{"id":\#(id),"place":\#($0)}"#) } ?? .gone(1, #"{"id":\#(id)}"#)
            }
        case 5, 6:
            let text = "\(id)." + String(repeating: "0", count: Int.random(in: 1...3, using: &random))
            let v = Int.random(in: 0...9, using: &random)
            var changes: [TestChange] = []
            if let old = model.numbers[id], old.text != text { changes.append(.gone(2, #"{"k":\#(old.text)}"#)) }
            model.numbers[id] = (text, v)
            return changes + [.up(2, #"{"k":\#(text)}"#, #"{"k":\#(text),"v":\#(v)}"#)]
        case 7:
            guard let old = model.numbers.removeValue(forKey: id) else { return [] }
            return [.gone(2, #"{"k":\#(old.text)}"#)]
        default:
            // Nested: the deletion may be logged before the insertion that it undoes.
            let stays = Bool.random(using: &random)
            let image = #"{"x":\#(id)}"#
            if stays { model.whole[id, default: 0] += 1 }
            return stays ? [.row(3, image)] : [.rowGone(3, image), .row(3, image)]
        }
    }

    /// SplitMix64: a failure replays.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
    }
}
