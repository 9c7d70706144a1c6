# PgQ queues what its triggers see, for consumers that one writes oneself: it takes part where capture is measured.
title[pgq]=PgQ
log_schema[pgq]=pgq
packages[pgq]="postgresql-$version-pgq3"

pgq_capture() { sql source "$1" -f "$parts/peers/pgq.sql" >/dev/null; }
pgq_release() { :; }
