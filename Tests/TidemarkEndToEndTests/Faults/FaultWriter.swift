import Foundation
import Synchronization
import Testing
import TidemarkTestSupport

/// An application that never stops writing to its source. A server that goes away it waits for, and goes on.
final class FaultWriter: Sendable {
    /// On both sides, in either engine.
    static let schema = """
        create table account (id integer primary key, balance integer not null);
        create table item (id integer primary key, kind text, note text);
        create table entry (a integer not null, b text not null, payload text, primary key (a, b));
        create table event (moment integer, what text);
        create table marker (id integer primary key)
        """
    static let tables = [
        "account": ["id", "balance"], "item": ["id", "kind", "note"], "entry": ["a", "b", "payload"], "event": ["moment", "what"],
        "marker": ["id"],
    ]
    static let accounts = 50
    static let accountsSum = "\(accounts * 100)"
    static let firstRows = """
        with recursive n (i) as (select 1 union all select i + 1 from n where i < \(accounts)) insert into account select i, 100 from n
        """

    private let side: FaultSide
    private let state = Mutex((isOver: false, transactions: 0, lost: 0))
    private let ended = DispatchSemaphore(value: 0)

    init(_ side: FaultSide, seed: UInt64) {
        self.side = side
        Thread.detachNewThread { [self] in
            write(seed)
            ended.signal()
        }
    }

    /// Ends it after the transaction at hand.
    /// - Returns: how many there were.
    @discardableResult
    func end() -> Int {
        let isFirst = state.withLock { state in
            defer { state.isOver = true }
            return !state.isOver
        }
        if isFirst, ended.wait(timeout: .now() + .seconds(90)) == .timedOut { Issue.record("a writer is stuck at \(side)") }
        return state.withLock(\.transactions)
    }

    var transactions: Int { state.withLock(\.transactions) }

    private func write(_ seed: UInt64) {
        var (random, next, session) = (SeededRandom(seed: seed), 0, (any FaultSession)?.none)
        while !state.withLock(\.isOver) {
            next += 1
            do {
                let opened = try session ?? side.open()
                session = opened
                try opened.transaction(statements(next, &random))
                state.withLock { $0.transactions += 1 }
                // An application's own pace, so that two cores are enough for four of them.
                usleep(.random(in: 1_000...6_000, using: &random))
            } catch {
                // Whether that one was committed, nobody knows: the source is what counts.
                session = nil
                state.withLock { $0.lost += 1 }
                usleep(20_000)
            }
        }
    }

    private func statements(_ number: Int, _ random: inout SeededRandom) -> [String] {
        let (one, other) = (Int.random(in: 1...Self.accounts, using: &random), Int.random(in: 1...Self.accounts, using: &random))
        let id = Int.random(in: 1...3_000, using: &random)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<30:
            // In the order of the key, so that two of them never wait for each other.
            return [
                "update account set balance = balance - 1 where id = \(min(one, other))",
                "update account set balance = balance + 1 where id = \(max(one, other))",
            ]
        case 30..<50:
            return ["insert into item values (\(id), 'new', 'written by \(number)') on conflict (id) do update set kind = 'old', note = excluded.note"]
        case 50..<64: return ["update item set note = 'changed by \(number)' where id between \(id) and \(id + 20)"]
        case 64..<74: return ["delete from item where id between \(id) and \(id + 10)"]
        case 74..<80: return ["update item set id = -\(number) where id = \(id)", "update entry set b = b || 'x' where a = \(id)"]
        case 80..<88:
            return ["insert into entry values (\(id), 'row \(number)', '\(String(repeating: "payload ", count: id % 40))')", "delete from entry where a = \(id / 2)"]
        case 88..<96:
            let event = "insert into event values (\(id), 'the same'), (\(id), 'the same')"
            return [event, "delete from event where moment = \(id / 2)"]
        case 96..<99:
            return ["with recursive n (i) as (select 1 union all select i + 1 from n where i < 200) insert into entry select i, 'many \(number)', 'x' from n"]
        default:
            // In SQLite a DELETE without a WHERE is what truncates.
            return number % 2 == 0 ? [side.isPostgres ? "truncate entry" : "delete from entry"] : ["delete from item", "delete from event"]
        }
    }
}
