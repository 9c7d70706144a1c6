import Foundation
import NIOSSL
import Synchronization
import TidemarkConfig
import TidemarkCore

/// The certificate that connections are offered; another one may take its place while the server runs.
final class Certificate: Sendable {
    private let context: Mutex<NIOSSLContext>

    init(_ files: ServiceSettings.TLSFiles) throws { context = Mutex(try Self.context(files)) }

    var current: NIOSSLContext { context.withLock { $0 } }

    /// Connections from now on get this one; keeps what it has where the files cannot be used.
    func replace(_ files: ServiceSettings.TLSFiles) throws {
        let found = try Self.context(files)
        context.withLock { $0 = found }
    }

    private static func context(_ files: ServiceSettings.TLSFiles) throws -> NIOSSLContext {
        let chain = try loading("certificate", files.certificate) { bytes in
            let found = try NIOSSLCertificate.fromPEMBytes(bytes)
            return found.isEmpty ? nil : found
        }
        let key = try loading("key", files.key) { try NIOSSLPrivateKey(bytes: $0, format: .pem) }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw TidemarkError(
                "The certificate cannot be used", why: "the key \(files.key) is not that of the certificate \(files.certificate)",
                remedy: "Compare: openssl x509 -noout -pubkey -in \(files.certificate); openssl pkey -pubout -in \(files.key)")
        }
    }

    private static func loading<Found>(_ what: String, _ path: String, _ parse: ([UInt8]) throws -> Found?) throws -> Found {
        let bytes: Data
        do {
            bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw TidemarkError(
                "The \(what) \(path) cannot be read", why: FileManager.default.fileExists(atPath: path) ? "this user may not" : "there is no such file",
                remedy: "Correct service: tls in the configuration, or the rights of the file.")
        }
        guard let found = try? parse(Array(bytes)) else {
            throw TidemarkError(
                "The \(what) \(path) cannot be used", why: "it is not in PEM form, or is protected by a passphrase",
                remedy: "Look at it: openssl \(what == "key" ? "pkey" : "x509") -noout -text -in \(path)")
        }
        return found
    }
}
