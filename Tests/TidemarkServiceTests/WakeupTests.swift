import Testing
import TidemarkTestSupport
import TidemarkBlocking

@Suite("A wait that can be ended", .ownThreads)
struct WakeupTests {
    @Test("ends when it is woken, long before its time", .timeLimit(.minutes(1)))
    func raised() async {
        let wakeup = Wakeup()
        async let waiting: Void = wakeup.wait(ms: 600_000)
        wakeup.raise()
        await waiting
    }

    @Test("a call that came while nobody waited ends the next wait, and that one only", .timeLimit(.minutes(1)))
    func raisedBefore() async {
        let wakeup = Wakeup()
        wakeup.raise()
        wakeup.raise()
        await wakeup.wait(ms: 600_000)
        let start = ContinuousClock.now
        await wakeup.wait(ms: 50)
        #expect(ContinuousClock.now - start >= .milliseconds(50))
    }

    @Test("ends by its time, again and again, and can be woken afterwards", .timeLimit(.minutes(1)))
    func timed() async {
        let wakeup = Wakeup()
        for _ in 0..<20 { await wakeup.wait(ms: 2) }
        async let waiting: Void = wakeup.wait(ms: 600_000)
        wakeup.raise()
        await waiting
    }

    @Test("ends where its task is cancelled, also before it began", .timeLimit(.minutes(1)))
    func cancelled() async {
        let wakeup = Wakeup()
        let waiting = Task { await wakeup.wait(ms: 600_000) }
        waiting.cancel()
        await waiting.value
        wakeup.raise()
        await wakeup.wait(ms: 600_000)
    }

    @Test("many who wake lose no call", .timeLimit(.minutes(1)))
    func manyWakers() async {
        let wakeup = Wakeup()
        let rounds = 2_000
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<rounds {
                        wakeup.raise()
                        await Task.yield()
                    }
                }
            }
            group.addTask { for _ in 0..<50 { await wakeup.wait(ms: 5) } }
        }
        wakeup.raise()
        await wakeup.wait(ms: 600_000)
    }
}
