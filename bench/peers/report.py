"""report.py: one run of the comparison: results as lines of JSON, a table for people."""
import collections
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import time

import engines
import mixes

MIXES = (100, 1000, 4000)
SCALE = (1, 4, 16, 64, 250, 1000, 2000, 4000)
SCALE_RUNS = 3
SCALE_OF_PIPED = (1, 100, 1000, 4000)
TOGETHER = 100    # audiences in one statement
JOB_SECONDS_MAX = 3000


def commit(here):
    said = subprocess.run(["git", "-C", here, "describe", "--always", "--dirty", "--abbrev=9", "--exclude=*"],
                          stdout=subprocess.PIPE, text=True, check=False)
    return said.stdout.strip() or "unknown"


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {gibibytes:.0f} GiB"


def touched(rules, columns):
    """Bytes of the columns that rules name: what has to be read from memory at least, without what could be skipped."""
    text, total = " ".join(rules), 0
    for column in columns:
        path = column["column"].replace("[]", "").removeprefix("xEvent.")
        items = re.fullmatch(r"productListItems\.(\w+)", path)
        found = (re.search(rf"\b{items[1]}\b", text) and "productListItems" in text) if items else (
            path and re.search(rf"(?<![\w.]){re.escape(path)}(?!\w)", text))
        total += column["bytes"] if found else 0
    return total


def times(ms):
    return {"minMs": round(min(ms), 3), "medianMs": round(statistics.median(ms), 3), "runs": len(ms)}


class Run:
    def __init__(self, options, all_engines):
        self.options, self.engines, self.differences, self.ratios = options, all_engines, 0, []
        self.names = list(all_engines.peers)
        folder = options["results"]
        os.makedirs(folder, exist_ok=True)
        self.path = f"{folder}/{options['size']}-{commit(options['here'])}.ndjson"
        self.file = open(self.path, "w", encoding="utf-8")
        self.is_measured = options["runs"] >= 5  # else only the counts are wanted
        self.size = engines.SIZES[options["size"]]
        self.columns = all_engines.columns()
        self.record("run", at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), commit=commit(options["here"]), machine=machine(), size=options["size"],
                    loadAverage=round(os.getloadavg()[0], 2),
                    profiles=self.size.profiles, events=self.size.events, threads=options["threads"],
                    kernels=os.environ.get("MUSTER_KERNELS", "best"), bytes=all_engines.bytes(),
                    loadSeconds=all_engines.load_seconds(),
                    openMs=times([all_engines.muster.open_ms() for _ in range(options["runs"])]),
                    versions={name: peer.version for name, peer in all_engines.peers.items()})
        print(f"{'case':34} {'muster ms':>18} " + " ".join(f"{name + ' ms':>20}" for name in self.names) +
              f" {'ratio':>8}  counts")

    def record(self, kind, **values):
        self.file.write(json.dumps({"kind": kind, **values}) + "\n")
        self.file.flush()

    def say(self, name, ours, theirs, ratio, agree):
        cell = lambda t: f"{t['minMs']:.2f} / {t['medianMs']:.2f}" if t else "-"
        print(f"{name:34} {cell(ours):>18} " + " ".join(f"{cell(theirs.get(n)):>20}" for n in self.names) +
              f" {f'{ratio:.1f}' if ratio else '-':>8}  {agree}", flush=True)

    def differ(self, name, counts):
        self.differences += 1
        print(f"bench-peers: {name}: no agreement: {counts}", file=sys.stderr)

    def case(self, case):
        try:
            ours = self.engines.muster.ask(case.rules, self.options["runs"])
            theirs = {name: peer.ask(case.name, getattr(case, name), self.options["runs"], 3 if self.is_measured else 1)
                      for name, peer in self.engines.peers.items()}
        except engines.Failure as failure:
            self.differ(case.name, str(failure))
            self.record("failure", name=case.name, what=str(failure))
            return
        counts = {"muster": ours["count"], **{name: answer["count"] for name, answer in theirs.items()}}
        agree = len(set(counts.values())) == 1
        if not agree:
            self.differ(case.name, counts)
        measured = {"muster": times(ours["ms"]), **{name: times(answer["ms"]) for name, answer in theirs.items()}}
        faster = min((measured[name]["medianMs"] for name in theirs), default=None)
        ratio = faster / measured["muster"]["medianMs"] if faster else None
        least = min((measured[name]["minMs"] for name in theirs), default=None)
        ratio_of_least = least / measured["muster"]["minMs"] if least else None
        self.ratios.append((case.name, ratio))
        self.record("case", name=case.name, kernel=case.kernel, count=ours["count"], agree=agree,
                    bytesRead=touched(case.rules, self.columns), ratio=ratio and round(ratio, 2), ratioOfLeast=least and round(ratio_of_least, 2),
                    forms={name: getattr(case, name)[answer["form"]] for name, answer in theirs.items()}, ms=measured)
        self.say(case.name, measured["muster"], measured, ratio, "agree" if agree else f"DIFFER {counts}")

    # -------- many audiences as one job --------

    def read_mix(self):
        self.audiences = mixes.read(self.engines.rows.folder + "/audiences.ndjson")

    def ours(self, n, threads, runs):
        lines = [audience.line for audience in self.audiences[:n]]
        counts, summary = self.engines.muster.eval(lines, runs, threads, JOB_SECONDS_MAX)
        return counts, summary

    def record_ours(self, n, threads, summary):
        measured = times(summary["runsMs"])
        self.record("job", audiences=n, threads=threads, ms={"muster": measured},
                    compileMs=summary["compileMs"], peakRssBytes=summary["peakRssBytes"])
        return measured

    def mixes(self):
        """Ours together; the peers' mean time of one, over a random part, times the number."""
        picked = random.Random(1).sample(self.audiences, self.size.picked)
        counts, _ = self.ours(len(self.audiences), self.options["threads"], 1)
        means = {}
        for name, peer in self.engines.peers.items():
            answers = [peer.ask(audience.name, mixes.forms(audience, name), 2, tries=1) for audience in picked]
            for audience, answer in zip(picked, answers):
                if answer["count"] != counts[audience.name]:
                    self.differ(audience.line.strip(), {"muster": counts[audience.name], name: answer["count"]})
            means[name] = statistics.mean(min(answer["ms"]) for answer in answers)
            self.record("one of a mix", peer=name, picked=len(picked), meanMs=round(means[name], 3),
                        styles=collections.Counter(answer["form"] for answer in answers))
            if not self.size.is_piped:
                self.together(name, peer, counts)
        faster = min(means.values(), default=None)
        for n in MIXES:
            _, summary = self.ours(n, self.options["threads"], min(self.options["runs"], 5))
            measured = self.record_ours(n, self.options["threads"], summary)
            ratio = faster * n / measured["medianMs"] if faster else None
            self.record("mix", audiences=n, ratio=ratio and round(ratio, 1), ms={"muster": measured},
                        meanMs={name: round(mean, 3) for name, mean in means.items()},
                        peakRssBytes=summary["peakRssBytes"])
            self.say(f"mix of {n}", measured, {name: {"minMs": mean * n, "medianMs": mean * n} for name, mean in means.items()},
                     ratio, f"{len(picked)} picked; plan {summary['compileMs']:.0f} ms, "
                     f"{summary['peakRssBytes'] / 2**30:.2f} GiB")

    def together(self, name, peer, counts):
        """A hundred in one statement, the form that is best for many."""
        some = self.audiences[:TOGETHER]
        answer = peer.ask(f"{TOGETHER} in one statement", [mixes.together(some, name)], 2, tries=1)
        wanted = [counts[audience.name] for audience in some]
        if answer["count"] != wanted:
            self.differ(f"{TOGETHER} in one statement", {name: [i for i, c in enumerate(answer["count"]) if c != wanted[i]]})
        self.record("together", peer=name, audiences=TOGETHER, ms=times(answer["ms"]), agree=answer["count"] == wanted)
        print(f"{TOGETHER} audiences in one statement of {name}: {min(answer['ms']):.0f} ms", flush=True)

    def agreement(self):
        """The first thousand, each with the plainest form of one peer; the times are not results."""
        some = self.audiences[:self.size.agreement]
        counts, _ = self.ours(len(some), self.options["threads"], 1)
        for name, peer in list(self.engines.peers.items())[:1]:
            different = [audience for audience in some if peer.ask(
                audience.name, [audience.sql(name, "in")], 1, tries=0)["count"] != counts[audience.name]]
            for audience in different:
                self.differ(f"{name}: {audience.line.strip()}", counts[audience.name])
            self.record("agreement", peer=name, audiences=len(some), different=len(different))
            print(f"{len(some)} audiences of the mix, one by one: {len(different)} counts differ from {name}", flush=True)

    def scaling(self):
        for threads in (1, 2):
            for n in SCALE_OF_PIPED if self.size.is_piped else SCALE:
                _, summary = self.ours(n, threads, 1 if self.size.is_piped else SCALE_RUNS)
                measured = self.record_ours(n, threads, summary)
                print(f"{n:5} audiences, {threads} threads: {measured['minMs']:9.1f} ms", flush=True)

    def finish(self):
        known = sorted((ratio, name) for name, ratio in self.ratios if ratio)
        if known:
            print(f"{len(known)} cases: least ratio {known[0][0]:.1f} ({known[0][1]}), median "
                  f"{statistics.median(r for r, _ in known):.1f}")
        self.file.close()
        engines.say("all counts agree" if self.differences == 0 else f"{self.differences} questions DIFFER")
        engines.say(f"recorded in {os.path.relpath(self.path)}")
