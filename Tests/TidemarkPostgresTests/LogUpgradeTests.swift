import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

@Suite("A log that an older version made")
struct LogUpgradeTests {
    @Test("is named by status, check and the worker, and renewed by setup")
    func renewed() throws {
        let scene = try LimitScene(policy: .warn, pipelines: ["main"])
        try scene.session.run(
            """
            drop table tidemark.log_limit, tidemark.retained;
            alter table tidemark.pipeline drop column retain_seconds, drop column retain_bytes, drop column lost_at, drop column lost_why;
            alter table tidemark.capture drop column stopped_at, drop column stopped_why, drop column stopped_xid
            """)
        let request = CaptureRequest(pipeline: "main")
        #expect(try scene.administration.status(of: "main", at: nil, settledThrough: [:]).obstacle?.contains("tidemark setup") == true)
        #expect(try scene.administration.check(request).contains { $0.what.contains("older version") })
        let error = #expect(throws: TidemarkError.self) { try PostgresSource(scene.url).selection(of: "main") }
        #expect(error?.remedy.contains("tidemark setup") == true)
        #expect(try scene.administration.recordedRequest(of: "main") == request)
        #expect(try scene.administration.loss(of: "main") == nil)
        try scene.administration.installLog()
        try scene.setup("main", LogLimitRequest(maxBytes: 1 << 30, policy: .stop), retention: .seconds(60))
        #expect(try scene.administration.recordedRequest(of: "main")?.retention == .seconds(60))
        #expect(try scene.standing().limit == LogLimit(maxBytes: 1 << 30, policy: .stop))
    }
}
