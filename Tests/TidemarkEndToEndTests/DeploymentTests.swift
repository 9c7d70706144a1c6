import Foundation
import Testing
import TidemarkTestSupport
import Yams

/// The files of deploy/ that others run, as far as they can be judged without those others: deploy/package --test runs the service
/// by a systemd of its own.
@Suite("Deployment")
struct DeploymentTests {
    private static let deploy = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("deploy")

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: deploy.appendingPathComponent(path), encoding: .utf8)
    }

    /// The first document of a YAML file.
    private static func yaml(_ path: String) throws -> Node { try #require(try compose(yaml: text(path))) }

    /// What `config check` says of a configuration, with these variables, and with the secrets that it names in files.
    private static func checked(_ text: String, _ environment: [String: String] = [:], secrets: (path: String, names: [String])? = nil) throws -> (status: Int32, output: String) {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-deployment-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        for name in secrets?.names ?? [] {
            // Each another one: two names with one token could not be told apart.
            let file = directory.appendingPathComponent(name)
            try "\(name)-0123456789abcdef\n".write(to: file, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
        }
        let file = directory.appendingPathComponent("tidemark.yaml")
        try text.replacing(secrets?.path ?? "\u{0}", with: directory.path).write(to: file, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
        return Shell.run(Shell.tidemark, ["config", "check", "--config", file.path], environment: environment)
    }

    @Test("every YAML file is YAML, and every script is a shell's")
    func syntax() throws {
        let files = FileManager.default.enumerator(atPath: Self.deploy.path)?.allObjects as? [String] ?? []
        let documents = files.filter { $0.hasSuffix(".yaml") }
        #expect(documents.count > 8)
        for path in documents {
            for document in try compose_all(yaml: Self.text(path)) { #expect(document.mapping != nil, "\(path)") }
        }
        for path in files {
            guard let text = try? Self.text(path), text.hasPrefix("#!/usr/bin/env bash") || text.hasPrefix("#!/bin/sh") || text.hasPrefix("#!/bin/bash") else { continue }
            let parsed = Shell.run("/bin/bash", ["-n", Self.deploy.appendingPathComponent(path).path])
            #expect(parsed.status == 0 && parsed.output.isEmpty, "\(parsed.output)")
        }
    }

    @Test("the unit has what a service needs, and is locked down")
    func unit() throws {
        var said: [String: [String]] = [:]
        for line in try Self.text("tidemark.service").split(separator: "\n") where !line.hasPrefix("#") && line.contains("=") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            said[parts[0], default: []].append(parts[1])
        }
        // Debian 12 has systemd 252, which does not know notify-reload.
        for (key, value) in [
            "Type": "notify", "NotifyAccess": "main", "User": "tidemark", "Restart": "on-failure", "RestartPreventExitStatus": "64",
            "ExecReload": "/bin/kill -HUP $MAINPID", "StateDirectory": "tidemark", "ProtectSystem": "strict", "ProtectHome": "yes",
            "NoNewPrivileges": "yes", "PrivateTmp": "yes", "MemoryDenyWriteExecute": "yes", "CapabilityBoundingSet": "",
            "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
        ] {
            #expect(said[key] == [value], "\(key)")
        }
        #expect(said["SystemCallFilter"]?.first == "@system-service")
        #expect(said["ExecStart"] == ["/usr/bin/tidemark serve --config /etc/tidemark/tidemark.yaml"])
        #expect(said["WatchdogSec"] != nil && said["TimeoutStopSec"] != nil)
    }

    @Test("the container's service is what compose.yaml expects, with a configuration that is understood")
    func container() throws {
        let dockerfile = try Self.text("container/Dockerfile")
        #expect(dockerfile.contains(#"CMD ["serve", "--config", "/etc/tidemark/tidemark.yaml"]"#))
        #expect(dockerfile.contains("\nUSER 7788:7788\n") && dockerfile.contains("\nHEALTHCHECK "))
        let services = try #require(try Self.yaml("container/compose.yaml")["services"])
        let service = try #require(services["tidemark"])
        #expect(service["ports"]?.sequence?.compactMap(\.string) == ["127.0.0.1:7788:7788"])
        let mounts = service["volumes"]?.sequence?.compactMap(\.string) ?? []
        #expect(mounts.contains("./tidemark.yaml:/etc/tidemark/tidemark.yaml:ro") && mounts.contains("state:/var/lib/tidemark"))
        for database in ["source", "target"] { #expect(services[database] != nil && service["depends_on"]?[database] != nil) }
        let variables = Set(service["environment"]?.mapping?.keys.compactMap(\.string) ?? [])
        #expect(variables == ["DATABASE_PASSWORD", "TIDEMARK_TOKEN"])
        let found = try Self.checked(
            Self.text("container/tidemark.yaml"), ["DATABASE_PASSWORD": "p@ss w:rd", "TIDEMARK_TOKEN": "0123456789abcdef0123456789abcdef"])
        #expect(found.status == 0 && !found.output.contains("warning"), "\(found.output)")
    }

    @Test("a container's health is what its service answers")
    func health() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-health-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try "ok".write(to: directory.appendingPathComponent("health"), atomically: true, encoding: .utf8)
        let log = directory.appendingPathComponent("log")
        let server = try Shell.start("/usr/bin/env", ["python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", directory.path, "0"], log: log)
        // What these tests start may have SIGTERM blocked.
        defer { kill(server.processIdentifier, SIGKILL) }
        let deadline = Date().addingTimeInterval(30)
        var port: String?
        while port == nil, Date() < deadline {
            port = (try? String(contentsOf: log, encoding: .utf8))?.firstMatch(of: /port (\d+)/).map { String($0.1) }
            usleep(10_000)
        }
        let health = Self.deploy.appendingPathComponent("container/health").path
        #expect(Shell.run(health, ["/health", try #require(port)]).status == 0)
        #expect(Shell.run(health, ["/ready", try #require(port)]).status != 0)
        kill(server.processIdentifier, SIGKILL)
        server.waitUntilExit()
        #expect(Shell.run(health, ["/health", try #require(port)]).status != 0)
    }

    @Test("the manifests of Kubernetes fit each other, with a configuration that is understood")
    func kubernetes() throws {
        let deployment = try #require(try Self.yaml("kubernetes/deployment.yaml")["spec"])
        let pod = try #require(deployment["template"]?["spec"])
        let container = try #require(pod["containers"]?[0])
        let configuration = try #require(try Self.yaml("kubernetes/configmap.yaml")["data"]?["tidemark.yaml"]?.string)

        #expect(deployment["replicas"]?.int == 2)
        let labels = try #require(deployment["template"]?["metadata"]?["labels"])
        #expect(deployment["selector"]?["matchLabels"] == labels)
        for file in ["service.yaml", "poddisruptionbudget.yaml", "networkpolicy.yaml"] {
            let spec = try #require(try Self.yaml("kubernetes/\(file)")["spec"])
            #expect((spec["selector"]?["matchLabels"] ?? spec["selector"] ?? spec["podSelector"]?["matchLabels"]) == labels, "\(file)")
        }

        let port = try #require(container["ports"]?[0])
        #expect(configuration.contains("listen: 0.0.0.0:\(try #require(port["containerPort"]?.int))"))
        let service = try #require(try Self.yaml("kubernetes/service.yaml")["spec"]?["ports"]?[0])
        #expect(service["targetPort"] == port["name"])
        #expect(try Self.yaml("kubernetes/servicemonitor.yaml")["spec"]?["endpoints"]?[0]?["port"] == service["name"])
        for (probe, path) in ["startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/ready"] {
            let asked = try #require(container[probe]?["httpGet"])
            #expect(asked["path"]?.string == path && asked["port"] == port["name"], "\(probe)")
        }

        #expect(container["args"]?.sequence?.compactMap(\.string) == ["serve", "--config", "/etc/tidemark/tidemark.yaml"])
        #expect(pod["securityContext"]?["runAsNonRoot"]?.bool == true && container["securityContext"]?["readOnlyRootFilesystem"]?.bool == true)
        #expect(try Self.text("container/Dockerfile").contains("\nUSER \(try #require(pod["securityContext"]?["runAsUser"]?.int)):"))
        let volumes = Set(pod["volumes"]?.sequence?.compactMap { $0["name"]?.string } ?? [])
        let mounts = container["volumeMounts"]?.sequence ?? []
        #expect(Set(mounts.compactMap { $0["name"]?.string }) == volumes)
        for path in ["/etc/tidemark", "/run/secrets/tidemark", "/var/lib/tidemark", "/tmp"] {
            #expect(mounts.contains { $0["mountPath"]?.string == path }, "\(path)")
        }

        let names = try #require(try Self.yaml("kubernetes/secret.example.yaml")["stringData"]?.mapping.map { Array($0.keys.compactMap(\.string)) })
        let found = try Self.checked(configuration, secrets: ("/run/secrets/tidemark", names))
        #expect(found.status == 0, "\(found.output)")
        #expect(try Self.yaml("kubernetes/servicemonitor.yaml")["spec"]?["endpoints"]?[0]?["authorization"]?["credentials"]?["key"]?.string.map(names.contains) == true)

        let kustomization = try Self.yaml("kubernetes/kustomization.yaml")
        for resource in kustomization["resources"]?.sequence?.compactMap(\.string) ?? [] {
            #expect(FileManager.default.fileExists(atPath: Self.deploy.appendingPathComponent("kubernetes/\(resource)").path), "\(resource)")
        }
    }
}
