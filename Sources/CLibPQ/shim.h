// libpq for Swift. Character-literal macros are not imported, so the diagnostic fields that
// tidemark reads are given again as constants.
#include <libpq-fe.h>

static const int tidemark_diag_sqlstate = PG_DIAG_SQLSTATE;
static const int tidemark_diag_message_primary = PG_DIAG_MESSAGE_PRIMARY;
static const int tidemark_diag_message_detail = PG_DIAG_MESSAGE_DETAIL;
static const int tidemark_diag_message_hint = PG_DIAG_MESSAGE_HINT;
static const int tidemark_diag_table_name = PG_DIAG_TABLE_NAME;
static const int tidemark_diag_constraint_name = PG_DIAG_CONSTRAINT_NAME;
