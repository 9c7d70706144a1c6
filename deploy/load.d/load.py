"""What one process of the service bears. Called by deploy/load-test."""
import argparse
import asyncio
import collections
import json
import os
import pathlib
import re
import sqlite3
import statistics
import subprocess
import threading
import time

from scene import BINARY, SERVER, Process, Scene, Service, run

missed = []


def figure(name, value, unit, limit=None):
    verdict = ""
    if limit is not None:
        kept = value <= limit
        verdict = f"   limit {limit:g}: {'kept' if kept else 'MISSED'}"
        if not kept:
            missed.append(name)
    print(f"  {name:<58} {value:>10.4g} {unit}{verdict}", flush=True)


# Many pipelines ------------------------------------------------------------------------------------------------

TABLE = "create table entry (id integer primary key, what text, written double precision)"


class Trickle:
    """An application for each source, and a row a second from each."""

    def __init__(self, sources):
        self.stopping, self.written = threading.Event(), collections.Counter()
        self.databases, self.shells = {}, {}
        for name, address in sources.items():
            if address.startswith("sqlite:"):
                self.databases[name] = address.removeprefix("sqlite:")
            else:
                self.shells[name] = subprocess.Popen(["psql", "-Xq", "-d", address], stdin=subprocess.PIPE, text=True, bufsize=1)
        self.thread = threading.Thread(target=self.write)
        self.thread.start()

    def write(self):
        number = 0
        while not self.stopping.is_set():
            start, number = time.monotonic(), number + 1
            row = f"insert into entry values ({number}, 'row {number}', {time.time()});\n"
            for name, path in self.databases.items():
                with sqlite3.connect(path, timeout=60) as database:
                    database.execute(row)
                database.close()
                self.written[name] = number
            for name, shell in self.shells.items():
                shell.stdin.write(row)
                self.written[name] = number
            self.stopping.wait(max(0, 1 - (time.monotonic() - start)))

    def stop(self):
        self.stopping.set()
        self.thread.join()
        for shell in self.shells.values():
            shell.stdin.close()
            shell.wait()


def rows(scene, address):
    if address.startswith("sqlite:"):
        database = sqlite3.connect(address.removeprefix("sqlite:"), timeout=60)
        count = database.execute("select count(*) from entry").fetchone()[0]
        database.close()
        return count
    return int(scene.sql(address.split("dbname=")[1], "select count(*) from entry"))


def pipelines(scene, options):
    print("100 pipelines in one process")
    kinds = ["ss"] * 60 + ["pp"] * 20 + ["ps"] * 10 + ["sp"] * 10
    make = {"s": scene.sqlite, "p": scene.postgres}
    flows = {f"flow{n}": (make[kind[0]](f"source{n}", TABLE), make[kind[1]](f"target{n}", TABLE)) for n, kind in enumerate(kinds)}
    service = Service(scene, flows)
    figure("until all follow, set up and copied", service.until(lambda view: view["activity"] == "following", 300), "s")
    trickle = Trickle({name: source for name, (source, _) in flows.items()})
    time.sleep(5)
    own, servers = service.cpu(options.seconds, scene.server_ticks)
    figure("CPU time with a write a second each, of a core", own, "%")
    figure("the same of the servers' processes", servers, "%")
    trickle.stop()
    start = time.monotonic()
    late = {name for name, (_, target) in flows.items()}
    while late and time.monotonic() - start < 60:
        late = {name for name in late if rows(scene, flows[name][1]) != trickle.written[name]}
    if late:
        raise SystemExit(f"load-test: rows are missing in {sorted(late)}")
    figure("until every target has every row, counted one by one", time.monotonic() - start, "s")
    time.sleep(10)
    own, servers = service.cpu(options.seconds, scene.server_ticks)
    figure("CPU time with nothing to do, of a core", own, "%")
    figure("the same of the servers' processes", servers, "%")
    figure("threads", service.threads, "")
    figure("open descriptors", service.descriptors, "")
    figure("connections at the server (40 pipelines have an end there)", scene.backends(), "")
    figure("resident memory", service.rss_mb, "MB")
    figure("peak of resident memory", service.peak_mb, "MB", 256)
    service.stop()


# Many tables ---------------------------------------------------------------------------------------------------

def tables(scene, options):
    count, per_table = 1000, 20
    schema = "".join(f"create table table_{n} (id integer primary key, what text);\n" for n in range(count))
    changes = "".join(
        f"with recursive n (i) as (select 1 union all select i + 1 from n where i < {per_table})"
        f" insert into table_{n} select i, 'row' from n;\n" for n in range(count))
    for kind, make in {"PostgreSQL": scene.postgres, "SQLite": scene.sqlite}.items():
        print(f"{count} tables in one pipeline, {kind} to {kind}")
        source, target = make("wide_source", schema), make("wide_target", schema)
        between = ["--source", source, "--target", target]

        def write(text):
            if kind == "SQLite":
                with sqlite3.connect(source.removeprefix("sqlite:"), timeout=60) as database:
                    database.executescript(f"begin;{text}commit;")
            else:
                scene.sql("wide_source", text, "-1")

        def arrived(table):
            query = f"select count(*) from table_{table}"
            if kind == "SQLite":
                with sqlite3.connect(target.removeprefix("sqlite:"), timeout=60) as database:
                    return database.execute(query).fetchone()[0]
            return int(scene.sql("wide_target", query))

        start = time.monotonic()
        run(BINARY, "setup", *between)
        figure("setup", time.monotonic() - start, "s")
        start = time.monotonic()
        run(BINARY, "run", "--once", *between)
        figure("first copy and proof, of empty tables", time.monotonic() - start, "s")
        write(changes)
        start = time.monotonic()
        worker = Process(scene, "run", *between)
        while arrived(count - 1) < per_table:
            time.sleep(0.05)
        figure(f"start and {count * per_table} changes of all tables in one transaction", time.monotonic() - start, "s")
        worker.stop()
        start = time.monotonic()
        worker = Process(scene, "run", *between)
        write("insert into table_7 values (1000, 'start');")
        while arrived(7) < per_table + 1:
            time.sleep(0.02)
        figure("start until the first change is through", time.monotonic() - start, "s")
        start = time.monotonic()
        write("insert into table_7 values (1001, 'next');")
        while arrived(7) < per_table + 2:
            time.sleep(0.005)
        figure("one change, from the client that writes to the one that reads", (time.monotonic() - start) * 1000, "ms")
        time.sleep(10)
        own, servers = worker.cpu(options.seconds, scene.server_ticks)
        figure("CPU time with nothing to do, of a core", own, "%")
        figure("the same of the servers' processes", servers, "%")
        figure("peak of resident memory", worker.peak_mb, "MB")
        worker.stop()


# Many who watch ------------------------------------------------------------------------------------------------

class Clients:
    """Readers of live events, and requests at a steady rate, in a process of their own that gives way to everything else."""

    def __init__(self, port):
        self.process = subprocess.Popen(
            ["nice", "-n", "19", "python3", __file__, "--as-clients", str(port)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def stop(self):
        self.process.stdin.close()
        return json.loads(self.process.stdout.readline())


async def act_as_clients(port, readers=50, rate=40, connections=4):
    counts, stopping = collections.Counter(), asyncio.Event()

    async def watch():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n".encode())
        while line := await reader.readline():
            counts["events"] += line.startswith(b"event:")
        counts["ended"] += 1

    async def ask():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        paths, due = ["/pipelines", "/service", "/pipelines/main", "/metrics"], time.monotonic()
        while True:
            path = paths[counts["requests"] % len(paths)]
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            counts[f"status {head.split()[1].decode()}"] += 1
            if length := re.search(rb"(?i)content-length: (\d+)", head):
                await reader.readexactly(int(length[1]))
            else:
                while size := int(await reader.readline(), 16):
                    await reader.readexactly(size + 2)
                await reader.readline()
            counts["requests"] += 1
            due += connections / rate
            await asyncio.sleep(max(0, due - time.monotonic()))

    tasks = [asyncio.create_task(watch()) for _ in range(readers)] + [asyncio.create_task(ask()) for _ in range(connections)]
    print("ready", flush=True)
    await asyncio.to_thread(input_ends)
    failed = [repr(task.exception()) for task in tasks if task.done() and task.exception()]
    print(json.dumps({**counts, "failed": failed}), flush=True)
    os._exit(0)


def input_ends():
    while os.read(0, 1024):
        pass


def clients(scene, options):
    print("50 readers of live events and 40 API requests a second (one address may make 50), beside a pipeline under TPC-B")
    parts = pathlib.Path(__file__).parents[1] / "benchmark.d"
    probe = "create table probe (id bigint generated by default as identity primary key, sent_at timestamptz); create table done (id int primary key);"
    for side in ("busy_source", "busy_target"):
        scene.postgres(side, probe)
        run(f"{SERVER}/pgbench", "-i", "-q", "-s", "5", *(["-I", "dtp"] if side == "busy_target" else []), scene.address(side))
    service = Service(scene, {"main": (scene.address("busy_source"), scene.address("busy_target"))})
    service.until(lambda view: view["activity"] == "following")
    found = {True: [], False: []}
    seconds = options.seconds + 2
    for turn in range(2 * options.rounds):
        # By turns, and the other way round each time, so that whatever drifts falls on both.
        watched = turn % 4 in (1, 2)
        scene.sql("busy_source", "truncate probe, done")
        while scene.sql("busy_target", "select count(*) from done") != "0":
            time.sleep(0.05)
        watching = Clients(service.port) if watched else None
        load = subprocess.Popen(
            [f"{SERVER}/pgbench", "-n", "-c", "8", "-j", "1", "-R", str(options.rate), "-T", str(seconds), "-s", "5", "-M", "prepared",
             "-f", str(parts / "latency.sql"), scene.address("busy_source")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        answer = subprocess.Popen(
            ["psql", "-XqAt", "-F", " ", "-v", f"seconds={seconds + 30}", "-d", scene.address("busy_target"), "-f", str(parts / "latency-probe.sql")],
            stdout=subprocess.PIPE, text=True)
        if load.wait() != 0:
            raise SystemExit(f"load-test: pgbench failed: {load.stdout.read()[-1000:]}")
        scene.sql("busy_source", "insert into done values (1)")
        p50, p95, p99, longest, seen = map(float, answer.communicate()[0].split())
        said = watching.stop() if watching else {}
        print(f"  {'with' if watched else 'without':<8} p50 {p50} ms  p95 {p95} ms  p99 {p99} ms  rows {seen:.0f}  {said or ''}", flush=True)
        found[watched].append((p50, p99))
        if watched and (said["failed"] or said.get("ended") or said.get("status 200") != said["requests"]):
            raise SystemExit("load-test: clients were not answered")
    for place, name in enumerate(("p50", "p99")):
        without, with_clients = (statistics.median(one[place] for one in found[watched]) for watched in (False, True))
        figure(f"{name} without, median", without, "ms")
        figure(f"{name} with, as a multiple", with_clients / without, "", 1.10)
    figure("peak of resident memory", service.peak_mb, "MB", 256)
    service.stop()


def main():
    parts = {"pipelines": pipelines, "tables": tables, "clients": clients}
    reader = argparse.ArgumentParser()
    reader.add_argument("--seconds", type=int, default=20)
    reader.add_argument("--rounds", type=int, default=4)
    reader.add_argument("--rate", type=int, default=1000)
    reader.add_argument("--as-clients", type=int)
    reader.add_argument("parts", nargs="*")
    options = reader.parse_args()
    if options.as_clients:
        return asyncio.run(act_as_clients(options.as_clients))
    for name in options.parts or parts:
        if name not in parts:
            raise SystemExit(f"load-test: there is no part {name}; there are {', '.join(parts)}")
        scene = Scene()
        try:
            parts[name](scene, options)
        finally:
            scene.close()
    if missed:
        raise SystemExit(f"load-test: missed: {', '.join(missed)}")


main()
