import TidemarkCore

/// A condition that an operator typed, to be read before anything rests on it.
struct TypedCondition {
    private let text: String
    private let rows: TableRows
    private let remedy: String

    init(
        _ text: String, of rows: TableRows,
        remedy: String = "--where takes what would stand behind WHERE in SQLite's SQL, such as: id > 100 AND region = 'north'"
    ) {
        self.text = text
        self.rows = rows
        self.remedy = remedy
    }

    func check(in database: SQLiteDatabase) throws {
        guard !text.utf8.contains(0) else { throw refused("it contains a NUL") }
        do {
            // Also without parentheses, so that none of the condition's own can close ours.
            for condition in [text, "(\(text)\n)"] {
                let (statement, isFollowed) = try database.prepareOnly("SELECT 1 FROM \(rows.quotedName) WHERE \(condition)\n")
                if isFollowed { throw refused("something follows the condition") }
                if !statement.isReadOnly { throw refused("it would write") }
                if statement.parameterCount > 0 { throw refused("it has placeholders, for which there are no values") }
            }
        } catch {
            guard let failure = error as? SQLiteFailure, !failure.isRetryable else { throw error }
            throw refused("SQLite says: \(failure.message)")
        }
    }

    private func refused(_ why: String) -> TidemarkError {
        TidemarkError(
            "the condition cannot be used", table: rows.captured.name, why: "“\(text)”: \(why)",
            remedy: remedy)
    }
}
