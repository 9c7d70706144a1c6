-- Removes all that install.sql made. Drop the triggers first: without the log, they break every write.
-- This lists the statements for them:
--   SELECT 'DROP TRIGGER "' || replace(name, '"', '""') || '";' FROM sqlite_master
--   WHERE type = 'trigger' AND name GLOB 'tidemark_capture_*';
-- What keeps roles stays, as the database may be a target, too. Where it is none, drop tidemark_role, and the guards:
--   triggers named tidemark_guard_*.
DROP TABLE IF EXISTS tidemark_installation;
DROP TABLE IF EXISTS tidemark_pipeline;
DROP TABLE IF EXISTS tidemark_log_limit;
DROP TABLE IF EXISTS tidemark_sequence_site;
DROP TABLE IF EXISTS tidemark_tick;
DROP TABLE IF EXISTS tidemark_applied;
DROP TABLE IF EXISTS tidemark_replaced;
DROP TABLE IF EXISTS tidemark_column;
DROP TABLE IF EXISTS tidemark_capture;
DROP TABLE IF EXISTS data_changes;
