import Foundation
import NIOCore
import Synchronization
import TidemarkBlocking
import TidemarkService

/// One look at the service for all live readers, while there are any: each moment is written out once, however many read it.
final class LiveMoments: Sendable {
    /// Somebody who reads; he leaves when nothing holds on to this.
    final class Reader: Sendable {
        fileprivate let number: UInt64
        /// One element, however many there were to hear of: a slow reader gets the newest moment and none of those between.
        let calls: AsyncStream<Void>
        private let continuation: AsyncStream<Void>.Continuation
        private let moments: LiveMoments

        fileprivate init(_ number: UInt64, _ moments: LiveMoments) {
            (calls, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
            (self.number, self.moments) = (number, moments)
        }

        fileprivate func call() { continuation.yield() }
        func leave() {
            continuation.finish()
            moments.forget(number)
        }
        /// A moment that the reader has not got yet, and its number.
        func frame(after seen: UInt64) -> (number: UInt64, bytes: ByteBuffer)? { moments.frame(after: seen) }

        deinit { moments.forget(number) }
    }

    static let greeting = ByteBuffer(string: "retry: 3000\n\n")
    static let keepAlive = ByteBuffer(string: ": here\n\n")

    private struct State {
        var readers: [UInt64: WeakReader] = [:]
        var nextReader: UInt64 = 0
        var moment: ServiceMoment?
        var number: UInt64 = 0
        /// Of the moment; nil until somebody reads it.
        var frame: ByteBuffer?
        var hasEnded = false
    }

    private struct WeakReader { weak var reader: Reader? }

    private let state = Mutex(State())
    /// The first reader has come, or the last one has gone.
    private let turn = Wakeup()
    private let maxReaders: Int

    init(maxReaders: Int) { self.maxReaders = maxReaders }

    /// Nil where there are too many, or it is over.
    func join() -> Reader? {
        let joined = state.withLock { state -> Reader? in
            guard !state.hasEnded, state.readers.count < maxReaders else { return nil }
            state.nextReader += 1
            let reader = Reader(state.nextReader, self)
            state.readers[state.nextReader] = WeakReader(reader: reader)
            return reader
        }
        joined?.call()
        if joined != nil { turn.raise() }
        return joined
    }

    fileprivate func forget(_ number: UInt64) {
        let isLast = state.withLock { state in
            guard state.readers.removeValue(forKey: number) != nil, state.readers.isEmpty else { return false }
            // It would be an old one for whoever comes next.
            (state.moment, state.frame) = (nil, nil)
            return true
        }
        if isLast { turn.raise() }
    }

    var readers: Int { state.withLock { $0.readers.count } }

    func publish(_ moment: ServiceMoment) {
        let readers = state.withLock { state in
            guard !state.readers.isEmpty else { return [Reader]() }
            (state.moment, state.frame) = (moment, nil)
            state.number += 1
            return state.readers.values.compactMap(\.reader)
        }
        for reader in readers { reader.call() }
    }

    /// Has everybody write something, so that the connection is seen to be open.
    func callAll() {
        for reader in state.withLock({ $0.readers.values.compactMap(\.reader) }) { reader.call() }
    }

    /// Ends all reading.
    func end() {
        let readers = state.withLock { state in
            state.hasEnded = true
            return state.readers.values.compactMap(\.reader)
        }
        for reader in readers { reader.leave() }
        turn.raise()
    }

    fileprivate func frame(after seen: UInt64) -> (number: UInt64, bytes: ByteBuffer)? {
        state.withLock { state in
            guard state.number > seen, let moment = state.moment else { return nil }
            if state.frame == nil {
                guard let json = try? JSON.encode(moment) else { return nil }
                var frame = ByteBuffer(string: "id: \(state.number)\nevent: moment\ndata: ")
                frame.writeBytes(json)
                frame.writeString("\n\n")
                state.frame = frame
            }
            return state.frame.map { (state.number, $0) }
        }
    }

    /// Hands on what the service tells while somebody reads, until it has no more to tell.
    func follow(_ plane: any ControlPlane, keepAliveSeconds: Double) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while await self.turned(toReading: true) { await self.handOn(plane) }
            }
            group.addTask {
                while (try? await Task.sleep(for: .seconds(keepAliveSeconds))) != nil { self.callAll() }
            }
            await group.next()
            group.cancelAll()
        }
    }

    /// A service that is watched makes a moment each second: it is not, once the last reader has gone.
    private func handOn(_ plane: any ControlPlane) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await moment in await plane.changes() { self.publish(moment) }
                if !Task.isCancelled { self.end() }
            }
            group.addTask { _ = await self.turned(toReading: false) }
            await group.next()
            group.cancelAll()
        }
    }

    /// Waits until somebody reads, or nobody does.
    /// - Returns: false where it is over.
    private func turned(toReading isReading: Bool) async -> Bool {
        while !Task.isCancelled {
            let (hasEnded, isRead) = state.withLock { ($0.hasEnded, !$0.readers.isEmpty) }
            if hasEnded { return false }
            if isRead == isReading { return true }
            await turn.wait(ms: 60_000)
        }
        return false
    }
}
