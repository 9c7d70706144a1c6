import CSQLite

extension SQLiteDatabase {
    /// Does the column give numbers that never return? No pragma tells.
    func isAutoincrement(_ column: String, of table: String) -> Bool {
        var isAutoincrement: Int32 = 0
        let code = sqlite3_table_column_metadata(handle, "main", table, column, nil, nil, nil, nil, &isAutoincrement)
        return code == SQLITE_OK && isAutoincrement != 0
    }
}
