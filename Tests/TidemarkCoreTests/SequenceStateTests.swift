import Testing
import TidemarkCore
import TidemarkTestSupport

@Suite("Sequences")
struct SequenceStateTests {
    private static func state(_ value: Int64, _ isCalled: Bool = true, by increment: Int64 = 1, cycles: Bool = false) -> SequenceState {
        SequenceState(
            SequenceState.Identity(columns: [], name: TableName(schema: "s", name: "q")), lastValue: value, isCalled: isCalled,
            increment: increment, cycles: cycles)
    }

    private static func counter(_ value: Int64, _ isCalled: Bool = true, by increment: Int64 = 1) -> SequenceCounter {
        SequenceCounter(lastValue: value, isCalled: isCalled, increment: increment, range: -1000...1000)
    }

    private static func setting(_ state: SequenceState, _ counter: SequenceCounter) -> String? {
        state.setting(for: counter).map { "\($0.lastValue) \($0.isCalled)" }
    }

    @Test("a sequence of the target is put where the source's is, and never back")
    func settings() {
        #expect(Self.setting(Self.state(5), Self.counter(4)) == "5 true")
        #expect(Self.setting(Self.state(5), Self.counter(5)) == nil)
        #expect(Self.setting(Self.state(5), Self.counter(6)) == nil)
        #expect(Self.setting(Self.state(5, false), Self.counter(3)) == "5 false")
        #expect(Self.setting(Self.state(5, false), Self.counter(5)) == nil)
        // Both give 5 next, and now they say so in the same words.
        #expect(Self.setting(Self.state(5, false), Self.counter(4)) == "5 false")
        #expect(Self.setting(Self.state(-5, by: -1), Self.counter(-4, by: -1)) == "-5 true")
        #expect(Self.setting(Self.state(-5, by: -1), Self.counter(-6, by: -1)) == nil)
        // What counts otherwise gives the same value next, and nothing is done to one that does so already.
        #expect(Self.setting(Self.state(50, by: 10), Self.counter(40)) == "60 false")
        #expect(Self.setting(Self.state(50, by: 10), Self.counter(59)) == nil)
        #expect(Self.setting(Self.state(2, cycles: true), Self.counter(9)) == "2 true")
        #expect(Self.setting(Self.state(1001), Self.counter(9)) == nil)
    }

    @Test("a margin goes the way the sequence counts, and ends where numbers end")
    func margins() {
        #expect(Self.state(5).ahead(by: 0) == Self.state(5))
        #expect(Self.state(5, false).ahead(by: 3) == Self.state(8))
        #expect(Self.state(-5, by: -10).ahead(by: 3) == Self.state(-35, by: -10))
        #expect(Self.state(.max - 1).ahead(by: 5).lastValue == .max)
        #expect(Self.state(.min + 1, by: -2).ahead(by: .max).lastValue == .min)
        #expect(Self.state(.max).nextValue == .max)
        #expect(Self.state(5).past(5).nextValue == 6 && Self.state(5).past(6).nextValue == 7 && Self.state(5, false).past(4).nextValue == 5)
        #expect(Self.state(-5, by: -1).past(-9).nextValue == -10 && Self.state(-5, by: -1).past(9).nextValue == -6)
    }

    private static func cursor(_ witness: String) -> Cursor {
        Cursor(source: "s", snapshot: .change(1), witness: witness, lastID: 0, epoch: 1)
    }

    @Test("windows carry what has moved, and everything where it is not known that the last ones were applied")
    func following() {
        var following = SequenceFollowing()
        #expect(following.carried([Self.state(1)], after: Self.cursor("start"), witness: "a") == [Self.state(1)])
        #expect(following.carried([Self.state(1)], after: Self.cursor("a"), witness: "b") == [])
        // The windows that end with b were given up.
        #expect(following.carried([Self.state(1)], after: Self.cursor("a"), witness: "c") == [Self.state(1)])
        #expect(following.carried([Self.state(2)], after: Self.cursor("c"), witness: nil) == [Self.state(2)])
        #expect(following.carried([Self.state(2)], after: Self.cursor("c"), witness: "d") == [Self.state(2)])
    }
}
