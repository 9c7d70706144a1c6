import Synchronization
import TidemarkCore
import TidemarkPipeline

extension Pipeline {
    /// Compares all tables, of a pipeline that nothing waits for.
    func verdicts(repairing: Bool = false) async throws -> [TableVerdict] {
        var request = VerifyRequest(startedAt: Clock.now)
        if repairing { request.repair = .apply }
        let verdicts = Mutex<[TableVerdict]>([])
        try await verify(request, lag: { (0, 0) }) { verdict in verdicts.withLock { $0.append(verdict) } }
        return verdicts.withLock { $0 }
    }
}
