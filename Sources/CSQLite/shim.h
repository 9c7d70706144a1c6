// SQLite for Swift: wrappers only for what the importer cannot bring in.
#include <sqlite3.h>

// A function pointer cast from -1: tells SQLite to copy the bytes that are bound.
static inline sqlite3_destructor_type tidemark_sqlite_transient(void) { return SQLITE_TRANSIENT; }

// sqlite3_db_config is variadic.
static inline int tidemark_sqlite_enable_triggers(sqlite3 *db, int enabled) {
    return sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, enabled, (int *)0);
}

// For bytes that stay where they are until the statement has run.
static inline sqlite3_destructor_type tidemark_sqlite_static(void) { return SQLITE_STATIC; }

// sqlite3_config is variadic, and counts only before the first connection of the process.
static inline int tidemark_sqlite_set_statement_journal(int bytes) {
    return sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, bytes);
}
static inline int tidemark_sqlite_count_memory(int enabled) {
    return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, enabled);
}

// sqlite3_db_config is variadic. A quoted name that names nothing is taken for a text unless it is told not to.
static inline int tidemark_sqlite_refuse_quoted_texts(sqlite3 *db) {
    int code = sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, (int *)0);
    return code == SQLITE_OK ? sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, (int *)0) : code;
}
