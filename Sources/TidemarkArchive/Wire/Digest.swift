import CCrypto

/// SHA-256.
final class Digest {
    private let context: OpaquePointer

    init() {
        // Fails only where there is no memory left.
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else { fatalError("libcrypto has no SHA-256") }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    func add(_ bytes: UnsafeRawBufferPointer) { EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) }

    /// Hexadecimal; ends the digest.
    func text() -> String {
        var value = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        EVP_DigestFinal_ex(context, &value, &count)
        return value.prefix(Int(count)).map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }

    static func text(of bytes: some Collection<UInt8>) -> String {
        let digest = Digest()
        Array(bytes).withUnsafeBytes { digest.add($0) }
        return digest.text()
    }
}
