"""A PostgreSQL server, a running service, and what the system says of both."""
import glob
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.request

BINARY = os.environ["TIDEMARK_BINARY"]
SERVER = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))[-1]
TICKS = os.sysconf("SC_CLK_TCK")


def run(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode != 0:
        raise SystemExit(f"load-test: {' '.join(command)[:200]} failed:\n{done.stdout[-2000:]}")
    return done.stdout


def as_server(*command):
    return run(*(["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []), *command, cwd="/")


class Scene:
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="tidemark-load."))
        self.directory.chmod(0o755)
        self.processes = []
        self.home = self.directory / "server"
        self.home.mkdir()
        if os.getuid() == 0:
            shutil.chown(self.home, "postgres")
        as_server(f"{SERVER}/initdb", "-D", f"{self.home}/data", "-A", "trust", "-U", "postgres")
        with open(self.home / "data/postgresql.conf", "a") as settings:
            settings.write(f"unix_socket_directories = '{self.home}'\nlisten_addresses = ''\nmax_connections = 1000\n"
                           "shared_buffers = 256MB\nmax_wal_size = 8GB\nautovacuum_naptime = 10min\n")
        self.in_background(f"{SERVER}/pg_ctl", "-D", f"{self.home}/data", "-l", f"{self.home}/log", "-w", "start")

    def in_background(self, *command):
        """A server keeps what it inherits open: nobody waits for the end of its output."""
        prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        subprocess.run([*prefix, *command], cwd="/", check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.in_background(f"{SERVER}/pg_ctl", "-D", f"{self.home}/data", "-m", "immediate", "stop")
        shutil.rmtree(self.directory)

    def address(self, database):
        return f"host={self.home} user=postgres dbname={database}"

    def sql(self, database, text, *more):
        return run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.address(database), *more, input=text).strip()

    def postgres(self, name, schema):
        self.sql("postgres", f"create database {name}")
        self.sql(name, schema)
        return self.address(name)

    def sqlite(self, name, schema):
        path = self.directory / f"{name}.db"
        with sqlite3.connect(path) as database:
            database.execute("pragma journal_mode = wal")
            database.executescript(schema)
        return f"sqlite:{path}"

    def backends(self):
        return int(self.sql("postgres", "select count(*) from pg_stat_activity where application_name like 'tidemark%'"))

    def server_ticks(self):
        """Of the processes that serve tidemark now."""
        pids = self.sql("postgres", "select pid from pg_stat_activity where application_name like 'tidemark%'").split()
        return sum(filter(None, (ticks(pid) for pid in pids)))


def ticks(pid):
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    except FileNotFoundError:
        return 0


class Process:
    """A running tidemark."""

    def __init__(self, scene, *arguments):
        self.log = scene.directory / f"{arguments[0]}-{time.monotonic_ns()}.log"
        self.process = subprocess.Popen([BINARY, *arguments], stdout=open(self.log, "w"), stderr=subprocess.STDOUT)
        scene.processes.append(self.process)
        self.pid = self.process.pid

    def status(self, field):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])

    @property
    def peak_mb(self):
        return self.status("VmHWM") / 1024

    @property
    def rss_mb(self):
        return self.status("VmRSS") / 1024

    @property
    def threads(self):
        return self.status("Threads")

    @property
    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu(self, seconds, beside=lambda: 0):
        """% of a core, of this process and of what `beside` counts."""
        before, other, start = ticks(self.pid), beside(), time.monotonic()
        time.sleep(seconds)
        spent = (time.monotonic() - start) * TICKS / 100
        return (ticks(self.pid) - before) / spent, (beside() - other) / spent

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        if status != 0:
            raise SystemExit(f"load-test: it ended with status {status}:\n{self.log.read_text()[-3000:]}")


class Service(Process):
    def __init__(self, scene, pipelines):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        lines = ["service:", f"  listen: 127.0.0.1:{self.port}", f"  state: {scene.directory}/state", "pipelines:"]
        for name, (source, target) in pipelines.items():
            lines += [f"  {name}:", f"    source: {source}", f"    target: {target}"]
        path = scene.directory / "tidemark.yaml"
        path.write_text("\n".join(lines) + "\n")
        super().__init__(scene, "serve", "--config", str(path))

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return json.load(answer)

    def until(self, is_so, seconds=120):
        """Waits for something of the pipelines' views."""
        start, views = time.monotonic(), []
        while time.monotonic() - start < seconds:
            if self.process.poll() is not None:
                raise SystemExit(f"load-test: the service has ended:\n{self.log.read_text()[-3000:]}")
            try:
                views = self.get("/pipelines?limit=500")["items"]
                if views and all(map(is_so, views)):
                    return time.monotonic() - start
            except OSError:
                pass
            time.sleep(0.2)
        late = [f"{view['name']}: {view['summary']}" for view in views if not is_so(view)]
        raise SystemExit(f"load-test: after {seconds} s: {late[:5]}\n{self.log.read_text()[-3000:]}")
