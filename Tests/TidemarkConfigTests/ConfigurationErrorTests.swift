import Foundation
import Testing
import TidemarkCore

@testable import TidemarkConfig

/// Each error with its exact place, and what was probably meant.
@Suite("Errors of a configuration")
struct ConfigurationErrorTests {
    @Test(
        "a wrong value or key is named by line and column",
        arguments: [
            ("sorce: x", "5:5: “sorce” is not known here\n      sorce: …\n      ^\n  Did you mean “source”?"), ("xyzzy: x", "5:5: “xyzzy” is not known here; known are source, target,"),
            ("capture: rwo", "5:14: capture: has to be auto, statement or row\n      capture: rwo\n               ^\n  Did you mean “row”?"),
            ("image: boht", "5:12: image: has to be"), ("require-key: maybe", "5:18: require-key: has to be true or false"),
            ("role: standby", "5:11: role: has to be replica or feed"), ("retain: soon", "5:13: retain: has to be a time (90m, 24h, 7d), a size"),
            ("max-log-size: lots", "5:19: max-log-size: has to be a size"), ("at-max-log-size: explode", "5:22: at-max-log-size: has to be warn, drop or stop"),
            ("at-max-log-size: dorp", "Did you mean “drop”?"), ("delay: 1 hour", "5:12: delay: has to be a time (30m, 2h)"),
            ("on-failure: set-asid", "Did you mean “set-aside”?"), ("on-failure: [stop]", "5:17: on-failure: has to be stop, retry or set-aside"),
            ("verify: continously", "Did you mean “continuously”?"), ("existing: keep", "5:15: existing: has to be refuse, empty or merge"),
            ("jobs: 0", "5:11: jobs: has to be a number from 1 to 64"), ("jobs: 99999999999999999999", "5:11: jobs: has to be a number"),
            ("jobs: -9223372036854775808", "5:11: jobs: has to be a number"), ("tables: {a: b}", "5:13: tables: has to be a pattern, or a list"),
            ("tables: [a, [b]]", "5:17: tables: has to be a pattern"), ("tables:", "tables: has to be a pattern"),
            ("max-rate: 5", "5:5: max-rate: is for verify: continuously"),
            ("wait: hybrid", "5:5: wait: hybrid needs wait-tables:"), ("wait: synchronos", "Did you mean “synchronous”?"),
            ("wait-tables: [a]", "5:5: wait-tables: is for wait: hybrid"), ("wait: synchronous\n    wait-tables: [a]", "5:5: wait-tables: is for wait: hybrid"),
            ("verify: continuously\n    delay: 30m", "6:5: a target that stays behind cannot be compared"),
            ("copy: false\n    existing: empty", "6:5: existing: is about the copy that copy: false leaves out"),
            ("create: ${NOPE}", "5:13: create: the environment variable NOPE is not set"), ("create: ${1X}", "5:13: create: between ${ and } stands the name"),
            ("create: ${X", "5:13: create: “${” has no “}”"),
            ("retain: 99999999999999999999d", "5:13: retain: has to be"), ("max-log-size: 9999999999999TB", "5:19: max-log-size: has to be"),
        ])
    func fields(keys: String, expected: String) {
        let found = faults(pipeline(keys))
        #expect(found.count == 1 && found[0].contains(expected), "\(found)")
    }

    @Test(
        "a wrong service is named by line and column",
        arguments: [
            ("lisen: none", "2:3: “lisen” is not known here"), ("listen: 7788", "2:11: listen: has to be HOST:PORT, [IPv6]:PORT, or none"),
            ("listen: localhost:65536", "2:11: listen: a port is a number from 0 to 65535"), ("listen: localhost:-1", "2:11: listen: a port"),
            ("listen: 'localhost:'", "2:11: listen: a port"), ("listen: '::1:5'", "2:11: listen: has to be"), ("listen: ':7788'", "2:11: listen: has to be"),
            ("log: jsn", "Did you mean “json”?"), ("log-level: wran", "2:14: log-level: has to be trace, debug, info, notice, warning, error or critical"),
            ("status-every: 0s", "2:17: status-every: has to be a time from 1 s to 1 h, such as 10s"), ("lease: 11m", "2:10: lease: has to be a time from 1 s to 10 min"),
            ("stop-within: 0s", "2:16: stop-within: has to be a time from 1 s to 1 h"),
            ("heartbeat: never", "2:14: heartbeat: has to be a time from 1 s to 1 h, such as 10s, or off"),
            ("tls: {certificate: /nonexistent/c, key: /nonexistent/k}", "2:22: certificate: the file cannot be used: there is no such file"),
            ("tls: {key: /dev/null}", "2:8: tls: has no certificate:"), ("tokens: []", "2:11: tokens: has to be a list"),
            ("tokens: [{name: a, role: admin}]", "2:12: a token has to have one of token-file, token-env and token"),
            ("tokens: [{name: a, role: amdin, token: abcdefghijklmnop}]", "2:28: role: has to be read, operate or admin"),
            ("tokens: [{role: admin, token: abcdefghijklmnop}]", "2:12: this token has no name:"),
            ("tokens: [{name: a, role: admin, token: a b}]", "2:42: token: a token is one word"),
            ("tokens: [{name: a, role: read, token-env: NOPE}]", "2:45: token-env: the environment variable NOPE is not set"),
            ("tokens: [{name: a, role: read, token-file: /nonexistent/t}]", "2:46: token-file: /nonexistent/t cannot be used: there is no such file"),
            (
                "tokens: [{name: a, role: read, token: abcdefghijklmnop}, {name: a, role: read, token: bbcdefghijklmnop}]",
                "2:60: two tokens have this name"
            ),
            ("- a", "2:3: service: has to hold keys: listen,"),
        ])
    func service(keys: String, expected: String) {
        let found = faults("service:\n  \(keys)\npipelines: {a: {source: 'sqlite:/a', target: 'sqlite:/b'}}\n")
        #expect(found.contains { $0.contains(expected) }, "\(found)")
    }

    @Test("beyond loopback it wants tokens and TLS, and says what to write")
    func listeningElsewhere() throws {
        let rest = "\npipelines: {a: {source: 'sqlite:/a', target: 'sqlite:/b'}}\n"
        let tokens = "\n  tokens: [{name: a, role: admin, token: abcdefghijklmnop}]"
        let bare = faults("service:\n  listen: 0.0.0.0:7788" + rest)
        #expect(bare.count == 2 && bare[0].hasPrefix("2:11: listen: other machines") && bare[0].contains("tokens: [{name: ops") && bare[1].contains("tls: {certificate:"), "\(bare)")
        #expect(faults("service:\n  listen: 0.0.0.0:7788" + tokens + rest).count == 1)
        #expect(faults("service:\n  listen: 0.0.0.0:7788\n  tls: off" + tokens + rest).isEmpty)
        for address in ["127.0.0.1:0", "localhost:7788", "'[::1]:7788'", "127.9.9.9:65535", "none"] {
            #expect(faults("service:\n  listen: \(address)" + rest).isEmpty, "\(address)")
        }
        #expect(try loaded("service:\n  listen: '[::1]:80'" + rest).service.listen == ServiceSettings.ListenAddress(host: "::1", port: 80))
    }

    @Test("a file that is no configuration is named as such")
    func wholeFiles() throws {
        #expect(faults("") == ["the file is empty: it has to begin with pipelines:".description].map { " \($0)" })
        #expect(faults("# only this\n")[0].contains("the file is empty"))
        #expect(faults("- a\n")[0].hasPrefix("1:1: the file has to begin with pipelines:"))
        #expect(faults("service: {}\n")[0].contains("the file has no pipelines:"))
        #expect(faults("pipelines: []\n")[0].hasPrefix("1:12: pipelines: has to hold one entry per pipeline"))
        #expect(faults("pipelines:\n\ta: b\n").contains { $0.hasPrefix("2:1: a tab: YAML takes only spaces here") })
        #expect(faults("pipelines:\n  a: [1\n")[0].contains("this is no YAML"))
        #expect(faults("pipelines: {}\n---\npipelines: {}\n")[0].hasPrefix("2:1: this is no YAML: a second document"))
        #expect(faults("service: &x {}\npipelines: {}\n")[0].hasPrefix("1:10: anchors (&) and aliases (*) are not taken"))
        #expect(faults("pipelines:\n  <<: *base\n")[0].hasPrefix("2:7: anchors (&) and aliases (*)"))
        #expect(faults("? a\n: b\n")[0].hasPrefix("1:1: “?” is no key here"))
        #expect(faults("a: \u{1}b\n")[0].hasPrefix("1:4: a control character"))
        #expect(faults(String(repeating: "[", count: 40))[0].hasPrefix("1:17: this is nested deeper than 16 levels"))
        #expect(faults(String(repeating: "- ", count: 40) + "a").contains { $0.hasPrefix("1:33: this is nested deeper than 16 levels") })
        #expect(throws: ConfigurationProblems.self) { try Configuration(bytes: [0x61, 0x3A, 0x0A, 0x20, 0xFF], path: "t") }
        do throws(ConfigurationProblems) {
            _ = try Configuration(bytes: [0x61, 0x3A, 0x0A, 0x20, 0xFF], path: "t")
        } catch {
            #expect(error.description == "t:2:2: this is no UTF-8: save the file in that encoding")
        }
        for (path, why) in [("/nonexistent/x", "there is no such file"), ("/tmp", "it is a directory"), ("a\0b", "a NUL")] {
            do throws(ConfigurationProblems) {
                _ = try Configuration(path: path, environment: [:])
                Issue.record("\(path)")
            } catch {
                #expect(error.description.contains(why), "\(error)")
            }
        }
        let large = String(repeating: "# padding\n", count: 110_000)
        #expect(faults(large)[0].contains("larger than 1024 KiB"))
    }

    @Test("a key that stands twice is named where it stands again, each of them")
    func duplicates() {
        let text = "pipelines:\n  a:\n    source: sqlite:/a\n    target: sqlite:/b\n    source: sqlite:/c\n  b: {source: 'sqlite:/a', target: 'sqlite:/x', source: 'sqlite:/z'}\n  a: {}\n"
        let found = faults(text)
        #expect(found.filter { $0.contains("stands twice") }.map { String($0.prefix(22)) } == ["5:5: “source” stands t", "6:49: “source” stands ", "7:3: “a” stands twice "], "\(found)")
    }

    @Test("everything that is wrong is said at once, in the order of the file")
    func everything() {
        let found = faults("service:\n  lease: x\ndefaults:\n  source: a\n  jobs: 1000\npipelines:\n  a: {source: 'sqlite:/a', target: 'sqlite:/a'}\n  b: {target: 'sqlite:/a', rolle: feed}\n")
        #expect(
            found.map { $0.split(separator: " ")[0] } == ["2:10:", "4:3:", "5:9:", "7:28:", "8:3:", "8:28:"], "\(found)")
        #expect(found[4].contains("pipeline b has no source:") && found[5].contains("Did you mean “role”?"))
    }

    @Test("names of pipelines: nothing that a terminal would act on, and no more than 63 bytes")
    func names() {
        func named(_ name: String) -> [String] { faults("pipelines:\n  \(name): {source: 'sqlite:/a', target: 'sqlite:/b'}\n") }
        #expect(named("shop 2 – läden").isEmpty && named("2026").isEmpty)
        #expect(named("\"a\\eb\"")[0].hasPrefix("2:3: the name of a pipeline holds a control character"))
        #expect(named("\"a\\u202eb\"")[0].contains("control character"))
        #expect(named(String(repeating: "x", count: 64))[0].contains("at most 63 bytes"))
        #expect(named("''")[0].contains("cannot be empty"))
    }

    @Test("two pipelines between the same databases are a warning")
    func sameAddresses() throws {
        let configuration = try loaded("pipelines:\n  a: {source: 'sqlite:/a', target: 'sqlite:/b'}\n  b: {source: 'sqlite:/a', target: 'sqlite:/b'}\n")
        #expect(configuration.warnings.map { $0.text(path: "f") } == ["f:3:3: warning: pipeline b has the same source and target as another one: tables that both take are written by both"])
    }

    @Test(
        "the nearest word is suggested, and none that is far",
        arguments: [("tabels", "tables"), ("sourc", "source"), ("require_key", "require-key"), ("EXCLUDE", "exclude"), ("onfailure", "on-failure"), ("zzzzzz", nil), ("", nil)])
    func suggestions(written: String, expected: String?) {
        #expect(Suggestion.nearest(to: written, of: ConfigurationSection.pipeline.keys) == expected)
    }
}
