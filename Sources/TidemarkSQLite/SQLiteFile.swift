import Glibc
import TidemarkCore

/// A database file that must be there: tidemark makes none, so that a mistyped path is an error and no empty database.
struct SQLiteFile {
    private let path: String
    private let role: String

    /// - Parameter role: source or target, for the error.
    init(_ path: String, role: String) {
        self.path = path
        self.role = role
    }

    func open(_ mode: SQLiteDatabase.Mode = .readWrite) throws -> SQLiteDatabase {
        guard !path.isEmpty, !path.utf8.contains(0), access(path, F_OK) == 0 else {
            let make = role == "target" ? "to make an empty one with the source's tables, type: sqlite3 \(path) < schema.sql"
                : "check the path after sqlite:"
            throw TidemarkError(
                "the \(role) cannot be opened", why: "there is no file \(path)", remedy: "Correct the address, or \(make)")
        }
        return try saying("the \(role) cannot be opened", path: path) {
            let database = try SQLiteDatabase(path: path, mode: mode)
            let encoding: String
            do {
                // The first read finds out whether this is a database at all.
                encoding = try database.rows("PRAGMA main.encoding").first?.first?.string ?? ""
                _ = try database.rows("SELECT 1 FROM main.sqlite_schema LIMIT 1")
            } catch {
                throw (mode == .readOnly ? (error as? SQLiteFailure)?.readOnlyObstacle(path) : nil) ?? error
            }
            guard encoding == "UTF-8" else {
                throw TidemarkError(
                    "the \(role) cannot be used", why: "\(path) stores text in \(encoding), in which texts that are no valid Unicode"
                        + " would change on their way",
                    remedy: "Rebuild it in UTF-8: sqlite3 \(path) .dump | sqlite3 new.db")
            }
            return database
        }
    }
}

/// Which file a path named when it was opened. A file that was moved away, or replaced by a restored one, is still
/// open, and would be read and written unseen.
struct FilePlace: Equatable, CustomStringConvertible {
    private let device: UInt64
    private let node: UInt64

    init?(_ path: String) {
        var found = stat()
        guard stat(path, &found) == 0 else { return nil }
        device = UInt64(found.st_dev)
        node = UInt64(found.st_ino)
    }

    var description: String { "\(device):\(node)" }

    /// - Throws: an error after which opening the path again finds out what is there now.
    func check(_ path: String, role: String) throws {
        guard FilePlace(path) != self else { return }
        throw TidemarkError(
            "the \(role) was replaced", why: "\(path) is no longer the file that was opened",
            remedy: "tidemark opens it again by itself; if the file is gone, put it back.", retry: .later)
    }
}
