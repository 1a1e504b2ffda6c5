"""engines.py: Muster, DuckDB and chDB with the same rows, each asked one question at a time."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import namedtuple

SECONDS_MAX = 60   # of one process of Muster that answers a case, all its runs
MEMORY_MAX = "8G"   # of its own memory, mapped files not counted
PIECE_EVENTS = 10_000_000  # that DuckDB reads from one pipe
NOW = "2026-03-10T12:00:00Z"

Size = namedtuple("Size", "profiles events is_piped picked agreement")
SIZES = {
    "T": Size(2_000, 40_000, False, 100, 1000),
    "M": Size(200_000, 4_000_000, False, 100, 1000),
    "S": Size(1_000_000, 20_000_000, False, 100, 1000),
    "L": Size(10_000_000, 200_000_000, True, 20, 40),
}


def say(text):
    print(f"bench-peers: {text}", file=sys.stderr, flush=True)


class Failure(Exception):
    pass


def once(path, make):
    """Makes a folder or file unless a mark beside it says that it is whole."""
    mark = path + ".done"
    if os.path.exists(mark):
        return
    start = time.monotonic()
    say(f"making {path}")
    make()
    with open(mark, "w", encoding="utf-8") as file:
        json.dump({"seconds": round(time.monotonic() - start, 1)}, file)


class Rows:
    """profiles.csv and events.csv for a loader: files that stay, or pipes straight from the generator."""

    def __init__(self, options, folder):
        self.options, self.folder, self.size = options, folder + "/csv", SIZES[options["size"]]
        self.head = options["data"] + "/head"
        once(self.head, lambda: self.generate(self.head, 20_000, 400_000, ["--wide"]))
        if self.size.is_piped:
            once(self.folder, lambda: self.generate(self.folder, 1, 0, ["--audiences", "4000"]))
        else:
            once(self.folder, lambda: self.generate(self.folder, self.size.profiles, self.size.events,
                                                    ["--wide", "--audiences", "4000"]))

    def command(self, folder, profiles, events, more):
        return [self.options["muster"], "sample", "--profiles", str(profiles), "--events", str(events), "--seed", "1",
                "--until", NOW, "--format", "csv", "--out", folder] + more

    def generate(self, folder, profiles, events, more):
        subprocess.run(self.command(folder, profiles, events, more), check=True, stdout=subprocess.DEVNULL)

    @contextlib.contextmanager
    def feed(self, n_pieces=0):
        """The folder, while its pipes are fed; with pieces, events-0.csv, events-1.csv, ... one after the other."""
        if not self.size.is_piped:
            yield self.folder
            return
        generators = []
        paths = {"profiles": [f"{self.folder}/profiles.csv"],
                 "events": [f"{self.folder}/events-{i}.csv" for i in range(n_pieces)] or [f"{self.folder}/events.csv"]}
        for name, pipes in paths.items():
            for path in pipes:
                if os.path.lexists(path):
                    os.remove(path)
                os.mkfifo(path)
            command = self.command("-", self.size.profiles, self.size.events, ["--only", name])
            generators.append(subprocess.Popen(command, stdout=subprocess.PIPE))
            lines_each = -(-getattr(self.size, name) // len(pipes))
            threading.Thread(target=deal, args=(generators[-1].stdout, pipes, lines_each), daemon=True).start()
        try:
            yield self.folder
        finally:
            for generator in generators:
                generator.terminate()
                generator.wait()


def deal(stream, paths, lines_each):
    """Writes about as many lines to each pipe, the header first, in order; opening waits for the reader."""
    header = stream.readline()
    for path in paths:
        left = lines_each if path != paths[-1] else float("inf")
        with open(path, "wb") as pipe:
            pipe.write(header)
            while left > 0:
                lines = stream.readlines(1 << 20)
                if not lines:
                    break
                pipe.writelines(lines)
                left -= len(lines)


class Muster:
    """One process a question: its own clock says how long each run took, without start and opening."""
    name = "muster"

    def __init__(self, options, folder, rows):
        self.options, self.data = options, folder + "/muster"
        once(self.data, lambda: self.load(rows))
        if self.open_ms() is None:
            say("the data were written by another version: loading again")
            os.remove(self.data + ".done")
            once(self.data, lambda: self.load(rows))

    def load(self, rows):
        shutil.rmtree(self.data, ignore_errors=True)
        with rows.feed() as folder:
            self.load_files(["--schema", rows.head + "/schema.json", folder + "/profiles.csv", folder + "/events.csv"])
        for name in ("stores", "products"):
            self.load_files(["--class", name, f"{rows.head}/{name}.csv"])

    def load_files(self, arguments):
        subprocess.run([self.options["muster"], "load", "--data", self.data] + arguments, check=True,
                       stdout=subprocess.DEVNULL)

    def open_ms(self):
        """What a process takes beside one small evaluation: to start, to open the data, to end. None: it cannot."""
        start = time.perf_counter()
        done = subprocess.run([self.options["muster"], "eval", "--data", self.data, "--now", NOW, 'homeAddress.countryCode = "US"'],
                              stdout=subprocess.PIPE, text=True, check=False)
        passed = (time.perf_counter() - start) * 1000
        return passed - json.loads(done.stdout)["ms"] if done.returncode == 0 else None

    def eval(self, lines, runs, threads=None, seconds_max=SECONDS_MAX):
        """Counts by id, and the summary, of lines of --file evaluated together; the first run only warms."""
        path = self.data + ".audiences.ndjson"
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(lines)
        command = [self.options["muster"], "eval", "--data", self.data, "--now", NOW, "--threads",
                   str(threads or self.options["threads"]), "--memory-max", MEMORY_MAX, "--runs", str(runs + 1),
                   "--file", path]
        try:
            out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=seconds_max).stdout
        except subprocess.TimeoutExpired:
            raise Failure(f"muster eval took more than {seconds_max} s") from None
        answers = [json.loads(line) for line in out.splitlines()]
        if not answers or "runsMs" not in answers[-1]:
            raise Failure("muster eval gave no result")
        summary = answers.pop()
        summary["runsMs"] = summary["runsMs"][1:]
        return {answer["id"]: answer.get("count", answer.get("error")) for answer in answers}, summary

    def ask(self, rules, runs):
        """The count of the last rule, which may refer to those before by "1", "2", ..."""
        lines = [json.dumps({"id": str(i + 1), "expression": rule}) + "\n" for i, rule in enumerate(rules)]
        counts, summary = self.eval(lines, runs)
        return {"count": counts[str(len(rules))], "ms": summary["runsMs"]}


class Peer:
    """A process that answers a line of JSON with a line of JSON."""

    def __init__(self, command, log):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.version = self.read()["version"]

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"a peer ended with status {self.process.wait()}")
        return json.loads(line)

    def ask(self, name, forms, runs, tries=3):
        """Each form is tried `tries` times, the fastest is run `runs` times; all must give the same count."""
        self.process.stdin.write(json.dumps({"name": name, "forms": forms, "tries": tries, "runs": runs}) + "\n")
        self.process.stdin.flush()
        answer = self.read()
        if "error" in answer:
            raise Failure(f"{name}: {answer['error']}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def open_duckdb(options, folder, rows):
    """None, loudly, where npm cannot bring DuckDB."""
    home = options["data"] + "/node"
    if not shutil.which("node") or not shutil.which("npm"):
        say("DuckDB SKIPPED: node and npm are needed")
        return None
    os.makedirs(home, exist_ok=True)
    for name in ("package.json", "duckdb.mjs"):
        shutil.copy(options["here"] + "/" + name, home)
    with open(options["data"] + "/npm.log", "w", encoding="utf-8") as log:
        if not os.path.isdir(home + "/node_modules/@duckdb/node-api") and subprocess.run(
                ["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=home, stdout=log, stderr=log,
                check=False).returncode != 0:
            say(f"DuckDB SKIPPED: npm could not install it, see {log.name}")
            return None
    database = folder + "/duckdb"
    program = home + "/duckdb.mjs"

    def load():
        n_pieces = -(-rows.size.events // PIECE_EVENTS) if rows.size.is_piped else 0
        with rows.feed(n_pieces) as csv:
            subprocess.run(["node", program, "load", database, csv, str(options["threads"]), rows.head,
                            "narrow" if rows.size.is_piped else "wide", str(n_pieces)], check=True)
        if not rows.size.is_piped:
            subprocess.run(["node", program, "base", database, database + ".base"], check=True)

    once(database, load)
    return Peer(["node", program, "ask", database, NOW, str(options["threads"])], None)


def open_clickhouse(options, folder, rows):
    """None, loudly, where pip cannot bring chDB, and where there are no files for it."""
    if rows.size.is_piped:
        say(f"chDB is not asked at size {options['size']}: it reads files only")
        return None
    home = options["data"] + "/python"
    program = options["here"] + "/clickhouse.py"
    with open(options["data"] + "/pip.log", "w", encoding="utf-8") as log:
        if not os.path.exists(home + ".done"):
            made = [subprocess.run(command, stdout=log, stderr=log, check=False).returncode == 0 for command in (
                [sys.executable, "-m", "venv", "--clear", home], [home + "/bin/pip", "install", "--quiet", "chdb"])
                if command[0] == sys.executable or os.path.exists(command[0])]
            if made != [True, True]:
                say(f"chDB SKIPPED: pip could not install it, see {log.name}")
                return None
            once(home, lambda: None)
    session = folder + "/clickhouse"
    python = home + "/bin/python"
    once(session, lambda: subprocess.run([python, program, "load", session, rows.folder, str(options["threads"])], check=True))
    return Peer([python, program, "ask", session, NOW, str(options["threads"])], None)


class Engines:
    """All that are there; `peers` maps names to peers."""

    def __init__(self, options):
        self.options = options
        folder = f"{options['data']}/{options['size']}"
        os.makedirs(folder, exist_ok=True)
        self.rows = Rows(options, folder)
        self.muster = Muster(options, folder, self.rows)
        self.peers = {}
        for name, opener in (("duckdb", open_duckdb), ("clickhouse", open_clickhouse)):
            if name in options["engines"]:
                peer = opener(options, folder, self.rows)
                if peer is not None:
                    self.peers[name] = peer

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for peer in self.peers.values():
            peer.close()

    def bytes(self):
        """On disk: everything, and the plain columns alone, which the file duckdb.base has as well."""
        folder = f"{self.rows.folder}/.."
        found = {}
        for name, path in (("muster", "muster/parts"), ("duckdb", "duckdb"), ("duckdbPlain", "duckdb.base"),
                           ("clickhouse", "clickhouse/store")):
            size = sum(os.lstat(os.path.join(at, file)).st_size for at, _, files in os.walk(f"{folder}/{path}") for file in files)
            if os.path.isfile(f"{folder}/{path}"):
                size = os.path.getsize(f"{folder}/{path}")
            if size:
                found[name] = size
        wide = ("xEvent[].productListItems", "_luma.affinities", "_luma.preferences.storeId", "xEvent[].identityMap")
        found["musterPlain"] = sum(entry["bytes"] for entry in self.columns() if not entry["column"].startswith(wide))
        return found

    def load_seconds(self):
        """As written when the data were made, whatever else the machine did then."""
        found = {}
        for name in ("muster", *self.peers):
            with open(f"{self.rows.folder}/../{name}.done", encoding="utf-8") as file:
                found[name] = json.load(file).get("seconds")
        return found

    def columns(self):
        """[{"column", "bytes"}] of Muster's parts."""
        out = subprocess.run([self.options["here"] + "/../load/columns", self.muster.data], stdout=subprocess.PIPE, text=True,
                             check=True).stdout
        listed = [json.loads(line) for line in out.splitlines()]
        return [entry for entry in listed if "column" in entry]
