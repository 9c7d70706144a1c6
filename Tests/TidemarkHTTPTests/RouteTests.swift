import Foundation
import Synchronization
import TidemarkConfig
import TidemarkHTTP
import TidemarkService
import Testing
import TidemarkTestSupport

@Suite("What the API answers", .ownThreads)
struct RouteTests {
    @Test("each GET answers what is asked for, and its HEAD the same without a body")
    func gets() async throws {
        try await RunningServer.with { running in
            let client = running.client(.read)
            for (path, type, text) in [
                ("/", "text/html; charset=utf-8", "<title>tidemark"), ("/dashboard/app.js", "text/javascript; charset=utf-8", "pipelines"),
                ("/dashboard/style.css", "text/css; charset=utf-8", "{"), ("/dashboard/icon.svg", "image/svg+xml", "<svg"),
                ("/openapi.json", "application/json", "\"3.1.0\""), ("/health", "application/json", #"{"status":"ok"}"#),
                ("/ready", "application/json", #"{"status":"ready"}"#), ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "tidemark_up 1"),
                ("/service", "application/json", #""instance":"host:1:a""#), ("/pipelines", "application/json", #""next":null"#),
                ("/pipelines/orders", "application/json", #""name":"orders""#), ("/pipelines/orders/tables", "application/json", "public.a"),
                ("/pipelines/%6Frders/history", "application/json", "endToEndSeconds"), ("/pipelines/orders/parked", "application/json", "waitingChanges"),
                ("/pipelines/orders/parked/1/changes", "application/json", "targetRow"), ("/pipelines/orders/conflicts/2", "application/json", "update-update"),
                ("/pipelines/orders/conflicts?table=public.b", "application/json", #""items":[]"#),
                ("/pipelines/orders/parked-audit", "application/json", #""action":"parked""#), ("/sync/tasks", "application/json", #""items":[]"#),
            ] {
                let answer = try await client("GET", path)
                #expect(answer.status == 200, "\(path)")
                #expect(answer.headers["content-type"] == type, "\(path)")
                #expect(answer.body.contains(text), "\(path)")
                #expect(answer.headers["x-content-type-options"] == "nosniff" && answer.headers["referrer-policy"] == "no-referrer", "\(path)")
                #expect(answer.headers["content-security-policy"]?.contains("frame-ancestors 'none'") == true, "\(path)")
                #expect(!answer.headers.keys.contains { $0.hasPrefix("access-control") || $0 == "server" }, "\(path)")
                let isFile = answer.headers["etag"] != nil
                #expect(answer.headers["cache-control"] == (isFile ? "no-cache" : "no-store"), "\(path)")
                let head = try await client("HEAD", path)
                #expect(head.status == 200 && head.body.isEmpty && head.headers["content-length"] == answer.headers["content-length"], "\(path)")
                #expect(try await client("OPTIONS", path).headers["allow"]?.contains("GET, HEAD") == true, "\(path)")
            }
            #expect(try await client("HEAD", "/events").headers["content-type"] == "text/event-stream")
            running.plane.state.withLock { $0.isReady = false }
            let ready = try await running.anonymous("GET", "/ready")
            #expect(ready.status == 503 && ready.body == #"{"because":"orders has not been looked at yet.","status":"not ready"}"#)
        }
    }

    @Test("a file that the browser has is not sent again")
    func tags() async throws {
        try await RunningServer.with { running in
            let tag = try #require(try await running.anonymous("GET", "/dashboard/app.js").headers["etag"])
            let again = try await running.anonymous("GET", "/dashboard/app.js", headers: ["If-None-Match": "W/\"other\", \(tag)"])
            #expect(again.status == 304 && again.body.isEmpty)
            #expect(try await running.anonymous("GET", "/dashboard/app.js", headers: ["If-None-Match": "\"other\""]).status == 200)
            #expect(try await running.anonymous("GET", "/dashboard/../AdminServer.swift").status == 404)
        }
    }

    @Test("pages lead to each other until there is no next")
    func pages() async throws {
        try await RunningServer.with { running in
            let client = running.client(.admin)
            func all(_ path: String, _ key: String, limit: Int) async throws -> [[String]] {
                var (pages, after) = ([[String]](), "")
                while true {
                    let page = try await client("GET", "\(path)?limit=\(limit)\(after)")
                    pages.append(try page.items(key))
                    guard let next = try page.json()["next"] as? String else { return pages }
                    after = "&after=\(next.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")"
                }
            }
            #expect(try await all("/pipelines", "name", limit: 1) == [["orders"], ["stock"]])
            #expect(try await all("/pipelines", "name", limit: 2) == [["orders", "stock"]])
            #expect(try await all("/pipelines/orders/tables", "table", limit: 2) == [["public.a", "public.b"], ["public.c"]])
            #expect(try await all("/pipelines/orders/parked", "id", limit: 2) == [["1", "2"], ["3"]])
            #expect(try await all("/pipelines/orders/conflicts", "id", limit: 2) == [["3", "2"], ["1"]])
            #expect(try await all("/pipelines/orders/parked/2/changes", "changeID", limit: 2) == [["41", "42"], ["43", "44"], ["45"]])
            for _ in 1...3 { _ = try await client("POST", "/sync/tasks", body: #"{"pipeline":"orders","kind":"verify"}"#) }
            #expect(try await all("/sync/tasks", "id", limit: 2) == [["3", "2"], ["1"]])
            #expect(try await client("DELETE", "/sync/tasks/2", body: "").status == 409)
            #expect(try await client("GET", "/sync/tasks?state=failed").items("id") == [])
            #expect(try await client("GET", "/sync/tasks?state=running&pipeline=orders").items("id") == ["3", "2", "1"])
            #expect(try await client("GET", "/sync/tasks?pipeline=stock").items("id") == [])
        }
    }

    @Test("pipelines are paused, resumed, run and verified, and what is parked is settled")
    func actions() async throws {
        try await RunningServer.with { running in
            let (operate, admin) = (running.client(.operate), running.client(.admin))
            #expect(try await operate("POST", "/pipelines/orders/pause").json()["activity"] as? String == "paused")
            #expect(try await operate("POST", "/pipelines/orders/run").status == 409)
            #expect(try await operate("POST", "/pipelines/orders/resume").json()["activity"] as? String == "following")
            #expect(try await operate("POST", "/pipelines/orders/run").status == 200)
            let verify = try await operate("POST", "/pipelines/orders/verify")
            #expect(verify.status == 202 && verify.body.contains(#""kind":"verify""#) && verify.body.contains(#""createdBy":"operator""#))
            let some = try await operate("POST", "/pipelines/orders/verify", body: #"{"tables":["public.*"]}"#)
            #expect(try some.json()["tables"] as? [String] == ["public.*"])
            #expect(try await admin("POST", "/pipelines/orders/parked/1/retry").json()["action"] as? String == "retried")
            #expect(try await admin("POST", "/pipelines/orders/parked/2/skip").json()["action"] as? String == "skipped")
            #expect(try await admin("POST", "/pipelines/orders/conflicts/2/restore", body: #"{"image": "source"}"#).json()["restoredBy"] as? String != nil)
            let done = running.plane.audited
            #expect(done.map(\.action) == ["pause", "run", "resume", "run", "verify", "verify", "parked.retry", "parked.skip", "conflict.restore"])
            #expect(try await admin("POST", "/pipelines/orders/conflicts/2/restore", body: #"{"image": "sorce"}"#).status == 400)
            #expect(done.map(\.outcome) == ["done", "refused", "done", "done", "done", "done", "done", "done", "done"])
            #expect(done.allSatisfy { $0.pipeline == "orders" && $0.actor.address == "127.0.0.1" })
            #expect(done[1].detail == "orders is paused." && done[6].subject == "1" && done[6].actor.name == "chief")
        }
    }

    @Test("a task is created, listed, read, executed, cancelled and deleted")
    func taskLife() async throws {
        try await RunningServer.with { running in
            let client = running.client(.operate)
            let created = try await client("POST", "/sync/tasks", body: #"{"pipeline":"stock","kind":"copy","execute":false}"#)
            #expect(created.status == 201 && created.headers["location"] == "/sync/tasks/1")
            #expect(try created.json()["state"] as? String == "pending")
            #expect(try await client("GET", "/sync/tasks/1").body == created.body)
            let executed = try await client("POST", "/sync/tasks/1/execute")
            #expect(executed.status == 202 && executed.body.contains(#""state":"running""#))
            #expect(try await client("DELETE", "/sync/tasks/1").status == 409)
            #expect(try await client("POST", "/sync/tasks/1/cancel").json()["state"] as? String == "cancelled")
            let deleted = try await client("DELETE", "/sync/tasks/1", type: nil, headers: ["X-Tidemark": "1"])
            #expect(deleted.status == 204 && deleted.body.isEmpty)
            #expect(try await client("GET", "/sync/tasks/1").status == 404)
            #expect(running.plane.audited.map(\.action) == ["task.create", "task.execute", "task.delete", "task.cancel", "task.delete"])
            #expect(running.plane.audited.first?.pipeline == "stock" && running.plane.audited.last?.subject == "1")
        }
    }

    @Test("what cannot be done says so as problem details, with what to do")
    func problems() async throws {
        try await RunningServer.with { running in
            let client = running.client(.admin)
            for (method, target, body, status, text) in [
                ("GET", "/nothing", nil, 404, "/openapi.json"), ("GET", "/pipelines/", nil, 404, ""), ("GET", "/pipelines/none", nil, 404, "no pipeline none"),
                ("GET", "/pipelines/%ff", nil, 404, ""), ("GET", "/pipelines/orders/parked/9/changes", nil, 404, "Nothing is parked as 9"),
                ("GET", "/pipelines/orders/conflicts/9", nil, 404, "There is no conflict 9"), ("GET", "/pipelines/orders/conflicts/x", nil, 400, "number"),
                ("GET", "/pipelines/orders/parked/x/changes", nil, 400, "number"), ("GET", "/sync/tasks/9", nil, 404, "no task 9"),
                ("GET", "/pipelines?limit=0", nil, 400, "1 to 500"), ("GET", "/pipelines?limit=501", nil, 400, "1 to 500"),
                ("GET", "/pipelines?limit=ten", nil, 400, "ten"), ("GET", "/pipelines?limit=1&limit=2", nil, 400, "more than once"),
                ("GET", "/pipelines?limt=1", nil, 400, "limit, after"), ("GET", "/pipelines/orders/parked?after=x", nil, 400, "after"),
                ("GET", "/sync/tasks?state=done", nil, 400, "pending, running"), ("GET", "/pipelines/away", nil, 503, "connection refused"),
                ("GET", "/pipelines/taken", nil, 409, "Ask that."), ("GET", "/pipelines/broken", nil, 422, #""remedy":"Grant them.""#),
                ("GET", "/pipelines/odd", nil, 500, "its log says why"), ("PUT", "/pipelines/orders", "{}", 405, "GET, HEAD, OPTIONS"),
                ("DELETE", "/pipelines/orders/pause", nil, 405, "OPTIONS, POST"), ("POST", "/sync/tasks", "", 400, "not JSON"),
                ("POST", "/sync/tasks", "{", 400, "not JSON"), ("POST", "/sync/tasks", "[]", 400, ""), ("POST", "/sync/tasks", #"{"kind":"copy"}"#, 400, "pipeline is missing"),
                ("POST", "/sync/tasks", #"{"pipeline":"orders","kind":"move"}"#, 400, "kind"), ("POST", "/sync/tasks", #"{"pipeline":1,"kind":"copy"}"#, 400, "pipeline"),
                ("POST", "/sync/tasks", #"{"pipeline":"orders","kind":"copy","tables":[1]}"#, 400, "tables[0]"),
                ("POST", "/sync/tasks", #"{"pipeline":"orders","kind":"copy","exectue":false}"#, 400, "exectue"),
                ("POST", "/sync/tasks", #"{"pipeline":"orders","kind":"copy","existing":"drop"}"#, 400, "empty or merge"),
                ("POST", "/sync/tasks", #"{"pipeline":"orders","kind":"verify","existing":"merge"}"#, 422, "belongs to a copy"),
                ("POST", "/sync/tasks", #"{"pipeline":"none","kind":"verify"}"#, 404, "no pipeline none"),
                ("POST", "/sync/tasks", String(repeating: "[", count: 60_000), 400, ""), ("POST", "/sync/tasks", String(repeating: " ", count: 70_000), 413, "65536"),
                ("POST", "/pipelines/orders/pause", #"{"why":1}"#, 400, "takes no body"), ("POST", "/pipelines/orders/verify", #"{"table":"a"}"#, 400, "tables"),
                ("GET", "/" + String(repeating: "a", count: 9000), nil, 414, "8192"),
            ] as [(String, String, String?, Int, String)] {
                let answer = try await client(method, target, body: body)
                #expect(answer.status == status, "\(method) \(target.prefix(80)) \(body?.prefix(80) ?? ""): \(answer)")
                #expect(answer.isProblem && (text.isEmpty || answer.body.contains(text)), "\(method) \(target.prefix(80)): \(answer.body)")
                let problem = try answer.json()
                #expect(problem["status"] as? Int == status && problem["title"] is String && problem["detail"] is String && problem["type"] as? String == "about:blank")
                #expect((answer.headers["allow"] != nil) == (status == 405) && (answer.headers["retry-after"] != nil) == (status == 503))
                #expect(!answer.body.contains("Odd"))
            }
        }
    }

    @Test("a page of another site cannot send what changes something: such requests are not ones that it may send")
    func foreignPages() async throws {
        try await RunningServer.with { running in
            let client = running.client(.admin)
            for type in [nil, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] as [String?] {
                #expect(try await client("POST", "/pipelines/orders/pause", type: type).status == 415)
                #expect(try await client("POST", "/sync/tasks", body: #"{"pipeline":"orders","kind":"copy"}"#, type: type).status == 415)
            }
            #expect(try await client("POST", "/sync/tasks", body: "{}", type: "text/plain", headers: ["X-Tidemark": "1"]).status == 415)
            #expect(try await client("POST", "/pipelines/orders/pause", type: nil, headers: ["X-Tidemark": "1"]).status == 200)
            #expect(try await client("POST", "/pipelines/orders/pause", body: "", type: "Application/JSON; charset=utf-8").status == 200)
            let preflight = try await client("OPTIONS", "/pipelines/orders/pause", headers: ["Origin": "http://evil.example", "Access-Control-Request-Method": "POST"])
            #expect(preflight.status == 204 && !preflight.headers.keys.contains { $0.hasPrefix("access-control") })
        }
    }
}
