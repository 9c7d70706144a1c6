-- An airline office's database, as an application would keep it: text keys, a composite key, a rowid key,
-- a foreign key, reals, NULLs, a table without rowid, an index that is unique besides the key.

CREATE TABLE airlines (
    carrier TEXT NOT NULL PRIMARY KEY,
    name    TEXT NOT NULL
);

CREATE TABLE airports (
    faa   TEXT NOT NULL PRIMARY KEY,
    name  TEXT NOT NULL,
    lat   REAL,
    lon   REAL,
    alt   INTEGER,
    tz    INTEGER,
    dst   TEXT,
    tzone TEXT
);

CREATE TABLE planes (
    tailnum      TEXT NOT NULL PRIMARY KEY,
    year         INTEGER,
    type         TEXT,
    manufacturer TEXT,
    model        TEXT,
    engines      INTEGER,
    seats        INTEGER,
    speed        INTEGER,
    engine       TEXT,
    airport      TEXT,                       -- where it landed last
    minutes_flown INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE flights (
    id              INTEGER PRIMARY KEY,
    carrier         TEXT NOT NULL REFERENCES airlines (carrier),
    flight          INTEGER NOT NULL,
    origin          TEXT NOT NULL,
    dest            TEXT NOT NULL,
    departs_at      TEXT NOT NULL,           -- by the timetable, local time of New York
    tailnum         TEXT,
    status          TEXT NOT NULL,           -- scheduled, flying, landed, diverted
    departure_delay INTEGER,
    arrival_delay   INTEGER,
    air_time        INTEGER,
    distance        INTEGER,
    UNIQUE (carrier, flight, origin, departs_at)
);

CREATE TABLE weather (
    origin      TEXT NOT NULL,
    observed_at TEXT NOT NULL,
    temp        REAL,
    dewp        REAL,
    humid       REAL,
    wind_dir    INTEGER,
    wind_speed  REAL,
    wind_gust   REAL,
    precip      REAL,
    pressure    REAL,
    visib       REAL,
    PRIMARY KEY (origin, observed_at)
) WITHOUT ROWID;

-- Kept with every landing and every cancellation, by upsert.
CREATE TABLE punctuality (
    carrier       TEXT NOT NULL,
    day           TEXT NOT NULL,
    landed        INTEGER NOT NULL DEFAULT 0,
    cancelled     INTEGER NOT NULL DEFAULT 0,
    minutes_late  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (carrier, day)
);
