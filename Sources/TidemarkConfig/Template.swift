/// A text that may name environment variables: `${NAME}`, and `$${` for a `${` that is meant.
struct Template {
    private enum Piece {
        case text(String)
        case variable(String)
    }

    struct Failure: Error { var what: String }

    private static let maxVariables = 32
    private var pieces: [Piece] = []

    init(_ text: String) throws(Failure) {
        var rest = text[...]
        var variables = 0
        while let dollar = rest.firstIndex(of: "$") {
            pieces.append(.text(String(rest[..<dollar])))
            rest = rest[dollar...]
            if rest.hasPrefix("$${") {
                pieces.append(.text("${"))
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("${") {
                guard let end = rest.firstIndex(of: "}") else { throw Failure(what: "“${” has no “}”; write $${ for one that is meant so") }
                let name = rest.dropFirst(2)[..<end]
                guard Self.isName(String(name)) else {
                    throw Failure(what: "between ${ and } stands the name of an environment variable: letters, digits and _, no digit first")
                }
                pieces.append(.variable(String(name)))
                variables += 1
                guard variables <= Self.maxVariables else { throw Failure(what: "it names more than \(Self.maxVariables) environment variables") }
                rest = rest[rest.index(after: end)...]
            } else {
                pieces.append(.text("$"))
                rest = rest.dropFirst()
            }
        }
        pieces.append(.text(String(rest)))
    }

    static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return false }
        return name.unicodeScalars.allSatisfy { $0.isASCII && ($0.properties.isAlphabetic || "0123456789_".unicodeScalars.contains($0)) }
    }

    /// - Parameter isAddress: is a value that stands for a password to be written as the address needs it?
    func text(_ environment: [String: String], isAddress: Bool = false) throws(Failure) -> String {
        var made = ""
        for (index, piece) in pieces.enumerated() {
            switch piece {
            case .text(let text): made += text
            case .variable(let name):
                guard let value = environment[name] else { throw Failure(what: "the environment variable \(name) is not set") }
                guard !value.utf8.contains(0) else { throw Failure(what: "the environment variable \(name) holds a NUL") }
                guard isAddress else {
                    made += value
                    continue
                }
                let (before, after) = (shape(pieces[..<index]), shape(pieces[(index + 1)...]))
                made += AddressText.written(value, as: AddressText.form(before: before, after: after))
            }
        }
        return made
    }

    private func shape(_ pieces: ArraySlice<Piece>) -> String {
        pieces.map { if case .text(let text) = $0 { text } else { "x" } }.joined()
    }
}

/// Passwords as addresses hold them.
enum AddressText {
    enum Form { case asItIs, percentEncoded, quoted, escaped }

    /// How a value is written at a place of an address, so that a password with any characters arrives as it is.
    static func form(before: String, after: String) -> Form {
        if let authority = afterScheme(before) {
            let isBeforeHost = !authority.contains { "/?@".contains($0) } && after.prefix { !"/?".contains($0) }.contains("@")
            return isBeforeHost || authority.hasSuffix("password=") ? .percentEncoded : .asItIs
        }
        if before.hasSuffix("password=") { return .quoted }
        return before.hasSuffix("password='") ? .escaped : .asItIs
    }

    static func written(_ value: String, as form: Form) -> String {
        switch form {
        case .asItIs: value
        case .percentEncoded: percentEncoded(value)
        case .quoted: quoted(value)
        case .escaped: escaped(value)
        }
    }

    /// The address with a password that is kept elsewhere.
    /// - Returns: nil where it takes none, or has one.
    static func adding(_ password: String, to address: String) -> String? {
        if let authority = afterScheme(address) {
            let user = authority.prefix { !"/?".contains($0) }.split(separator: "@", omittingEmptySubsequences: false)
            guard !(user.count > 1 && user[0].contains(":")), !authority.contains("password=") else { return nil }
            return address + (authority.contains("?") ? "&" : "?") + "password=" + percentEncoded(password)
        }
        guard let scheme = address.firstIndex(where: { ":=".contains($0) }), address[scheme] == "=", !address.contains("password=") else { return nil }
        return address + " password=" + quoted(password)
    }

    /// What follows the scheme of a URI that libpq reads.
    private static func afterScheme(_ address: String) -> Substring? {
        for scheme in ["postgresql://", "postgres://"] where address.hasPrefix(scheme) { return address.dropFirst(scheme.count) }
        return nil
    }

    private static func percentEncoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            let scalar = Unicode.Scalar(byte)
            if scalar.isASCII, scalar.properties.isAlphabetic || "0123456789-._~".unicodeScalars.contains(scalar) {
                bytes.append(byte)
            } else {
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func escaped(_ text: String) -> String { text.replacing("\\", with: "\\\\").replacing("'", with: "\\'") }
    private static func quoted(_ text: String) -> String { "'\(escaped(text))'" }
}
