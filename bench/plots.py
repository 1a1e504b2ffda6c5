#!/usr/bin/env python3
"""plots.py: draws docs/performance/*.svg from bench/results/*.ndjson and writes the tables between the marks of
docs/performance.md. Every number there comes from a recorded line; of each size the newest recording counts, or the one
that a variable names (S=results/S-abc.ndjson)."""
import glob
import json
import math
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
DOCS = os.path.join(HERE, "..", "docs")
SIZES = ("M", "S", "L")
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")
BANDWIDTH = 30e9  # bytes per second, of two threads of the machine that the recordings are from (design: 24 on one)
PEERS = {"duckdb": "DuckDB", "clickhouse": "ClickHouse"}


def recordings():
    """Lines of the recording of each size, by kind."""
    found = {}
    for size in SIZES:
        paths = sorted(glob.glob(f"{HERE}/results/{size}-*.ndjson"), key=recorded_at)
        path = os.environ.get(size) or (paths[-1] if paths else None)
        if path is None:
            continue
        kinds = {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                record = json.loads(line)
                kinds.setdefault(record["kind"], []).append(record)
        kinds["path"] = os.path.basename(path)
        found[size] = kinds
    return found


def recorded_at(path):
    with open(path, encoding="utf-8") as file:
        return json.loads(file.readline()).get("at", "")


# -------- drawing --------

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 400, 70, 230, 36, 50


class Plot:
    """Lines over logarithmic axes."""

    def __init__(self, title, x_name, y_name):
        self.title, self.x_name, self.y_name, self.lines = title, x_name, y_name, []

    def add(self, name, points, dashed=False):
        points = [(x, y) for x, y in points if x > 0 and y > 0]
        if points:
            self.lines.append((name, sorted(points), dashed))

    def write(self, path):
        if not self.lines:
            return
        xs = [x for _, points, _ in self.lines for x, _ in points]
        ys = [y for _, points, _ in self.lines for _, y in points]
        x_range = (min(xs), max(xs) if max(xs) > min(xs) else min(xs) * 10)
        y_range = (10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys))))
        if y_range[0] == y_range[1]:
            y_range = (y_range[0], y_range[0] * 10)
        place = lambda value, bounds, start, end: start + (end - start) * math.log(value / bounds[0]) / math.log(bounds[1] / bounds[0])
        x_at = lambda x: place(x, x_range, LEFT, WIDTH - RIGHT)
        y_at = lambda y: place(y, y_range, HEIGHT - BOTTOM, TOP)
        out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
               f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
               f'<text x="{LEFT}" y="20" font-size="14" font-weight="bold">{self.title}</text>']
        decade = y_range[0]
        while decade <= y_range[1] * 1.001:
            y = y_at(decade)
            out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
                       f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{short(decade)}</text>')
            decade *= 10
        for x in ticks(xs):
            out.append(f'<line x1="{x_at(x):.1f}" x2="{x_at(x):.1f}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 4}" stroke="#333"/>'
                       f'<text x="{x_at(x):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{short(x)}</text>')
        out.append(f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#333"/>'
                   f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{self.x_name}</text>'
                   f'<text x="16" y="{(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" '
                   f'transform="rotate(-90 16 {(TOP + HEIGHT - BOTTOM) / 2})">{self.y_name}</text>')
        for number, (name, points, dashed) in enumerate(self.lines):
            colour = COLOURS[number % len(COLOURS)]
            dash = ' stroke-dasharray="5 4"' if dashed else ""
            drawn = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in points)
            out.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
            out += [f'<circle cx="{x_at(x):.1f}" cy="{y_at(y):.1f}" r="3" fill="{colour}"/>' for x, y in points]
            y = TOP + 14 + 18 * number
            out.append(f'<line x1="{WIDTH - RIGHT + 10}" x2="{WIDTH - RIGHT + 34}" y1="{y}" y2="{y}" stroke="{colour}" '
                       f'stroke-width="2"{dash}/><text x="{WIDTH - RIGHT + 40}" y="{y + 4}">{name}</text>')
        out.append("</svg>")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(out) + "\n")


def ticks(values):
    """The values themselves while they are few, else 1, 2, 5, 10, 20, ... between them."""
    if len(set(values)) <= 10:
        return sorted(set(values))
    round_ones = (step * 10**power for power in range(10) for step in (1, 2, 5))
    return [value for value in round_ones if min(values) <= value <= max(values)]


def short(value):
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g} {letter}"
    return f"{value:g}"


def draw(found):
    folder = os.path.join(DOCS, "performance")
    os.makedirs(folder, exist_ok=True)
    audiences = Plot("Milliseconds for a number of audiences, as one job", "audiences", "ms")
    threads = Plot("One thread and two, size S", "audiences", "ms")
    for size, kinds in found.items():
        for number in (2, 1):
            points = {job["audiences"]: job["ms"]["muster"]["minMs"] for job in kinds.get("job", []) if job["threads"] == number}
            if number == 2:
                audiences.add(f"Muster, {size}", points.items())
            if size == "S":
                threads.add(f"{number} thread{'s' if number > 1 else ''}", points.items())
    for one in found.get("S", {}).get("one of a mix", []):
        audiences.add(f"{PEERS[one['peer']]}, S (mean of one)", [(n, one["meanMs"] * n) for n in (1, 4000)], dashed=True)
    audiences.write(f"{folder}/audiences.svg")
    threads.write(f"{folder}/threads.svg")
    profiles = Plot("Milliseconds for a number of profiles (20 events each)", "profiles", "ms")
    for n in (4000, 1000, 100):
        profiles.add(f"Muster, {n:,} audiences", [
            (kinds["run"][0]["profiles"], mix["ms"]["muster"]["minMs"])
            for kinds in found.values() for mix in kinds.get("mix", []) if mix["audiences"] == n])
    profiles.add("DuckDB, one audience (mean)", [
        (kinds["run"][0]["profiles"], one["meanMs"]) for kinds in found.values() for one in kinds.get("one of a mix", [])
        if one["peer"] == "duckdb"], dashed=True)
    profiles.write(f"{folder}/profiles.svg")
    ratios = Plot("How many times faster than the faster peer, single audiences on S, sorted", "rank", "ratio")
    ratios.add("ratio", [(rank + 1, ratio) for rank, ratio in enumerate(sorted(
        case["ratio"] for case in found.get("S", {}).get("case", []) if case["ratio"]))])
    ratios.add("aim: 5", [(1, 5), (len(found.get("S", {}).get("case", [])) or 2, 5)], dashed=True)
    ratios.write(f"{folder}/ratios.svg")


# -------- tables --------


def cell(measured):
    return f"{measured['minMs']:.2f} / {measured['medianMs']:.2f}" if measured else ""


def source(kinds):
    run = kinds["run"][0]
    versions = ", ".join(f"{PEERS[name]} {version}" for name, version in run["versions"].items())
    return (f"`{kinds['path']}`: commit {run['commit']}, {run['machine']}, {run['threads']} threads"
            f"{', ' + versions if versions else ''}"
            f"{busy(run)}.")


def roofline(case):
    """The share of the memory bandwidth at which the columns of a rule go by."""
    return case["bytesRead"] / (case["ms"]["muster"]["minMs"] / 1000) / BANDWIDTH


def busy(run):
    """Whether other processes ran beside the measurement, as far as it was recorded."""
    return f"; load average {run['loadAverage']:.1f} at its start" if "loadAverage" in run else "; on a machine that did other things too"


def case_table(kinds):
    peers = list(kinds["run"][0]["versions"])
    cases = sorted(kinds.get("case", []), key=lambda case: case["ratio"] or 0)
    lines = [source(kinds), "", "| case | kernel | members | MB | Muster, ms | of the bandwidth | " + " | ".join(PEERS[name] + ", ms" for name in peers) +
             " | ratio | counts |", "| --- | --- | ---: | ---: | ---: | ---: |" + " ---: |" * len(peers) + " ---: | --- |"]
    for case in cases:
        lines.append(f"| {case['name']} | {case['kernel']} | {case['count']:,} | {case['bytesRead'] / 1e6:.1f} | "
                     f"{cell(case['ms']['muster'])} | {roofline(case):.0%} | " +
                     " | ".join(cell(case["ms"].get(name)) for name in peers) +
                     f" | {case['ratio'] or 0:.1f} | {'agree' if case['agree'] else 'DIFFER'} |")
    for failure in kinds.get("failure", []):
        lines.append(f"| {failure['name']} | | | | failed: {failure['what']} |")
    known = [case["ratio"] for case in cases if case["ratio"]]
    if known:
        lines += ["", f"{len(known)} cases: least ratio {min(known):.1f}, median {statistics.median(known):.1f}. "
                  f"{sum(ratio < 5 for ratio in known)} are below 5: " +
                  (", ".join(case["name"] for case in cases if case["ratio"] and case["ratio"] < 5) or "none") + "."]
    return lines


def mix_table(found):
    lines = ["| size | audiences | Muster, ms | plan, ms | peak memory, GiB | DuckDB, mean of one, ms | ClickHouse, mean of one, ms | "
             "ratio to the faster |", "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for size, kinds in found.items():
        plans = {}
        for job in kinds.get("job", []):
            plans.setdefault(job["audiences"], job["compileMs"])
        for mix in kinds.get("mix", []):
            means = mix["meanMs"]
            lines.append(f"| {size} | {mix['audiences']:,} | {cell(mix['ms']['muster'])} | {plans[mix['audiences']]:.0f} | "
                         f"{mix['peakRssBytes'] / 2**30:.2f} | {one_mean(means, 'duckdb')} | {one_mean(means, 'clickhouse')} | "
                         f"{mix['ratio'] or 0:.0f} |")
    return lines


def one_mean(means, name):
    return f"{means[name]:.1f}" if name in means else ""


def together_lines(found):
    lines = []
    for size, kinds in found.items():
        ours = {mix["audiences"]: mix["ms"]["muster"]["minMs"] for mix in kinds.get("mix", [])}
        for one in kinds.get("together", []):
            if ours.get(one["audiences"]):
                least = one["ms"]["minMs"]
                lines.append(f"- {size}: {one['audiences']} audiences counted by one statement of {PEERS[one['peer']]}: {least:,.0f} ms, "
                             f"{least / ours[one['audiences']]:.0f} times Muster's {ours[one['audiences']]:.1f} ms.")
    return lines


def thread_table(found):
    lines = ["| size | audiences | one thread, ms | two threads, ms | faster by |", "| --- | ---: | ---: | ---: | ---: |"]
    for size, kinds in found.items():
        times = {}
        for job in kinds.get("job", []):
            times.setdefault(job["audiences"], {})[job["threads"]] = job["ms"]["muster"]["minMs"]
        for n, both in sorted(times.items()):
            if 1 in both and 2 in both:
                lines.append(f"| {size} | {n:,} | {both[1]:.2f} | {both[2]:.2f} | {both[1] / both[2]:.2f} |")
    return lines


def agreement_lines(found):
    return [f"- {size}: {one['audiences'] - one['different']} of {one['audiences']} audiences of the mix, one by one, have the count of "
            f"{PEERS[one['peer']]}." for size, kinds in found.items() for one in kinds.get("agreement", [])]


def disk_lines(found):
    names = ("muster", "duckdb", "clickhouse", "musterPlain", "duckdbPlain")
    lines = ["| size | Muster, all | DuckDB, all | ClickHouse, all | Muster, plain columns | DuckDB, plain columns | bytes per event, plain |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for size, kinds in found.items():
        run = kinds["run"][0]
        cells = [f"{run['bytes'][name] / 1e6:,.0f} MB" if name in run["bytes"] else "" for name in names]
        lines.append(f"| {size} | {' | '.join(cells)} | {run['bytes']['musterPlain'] / run['events']:.1f} |")
    return lines


def open_lines(found):
    lines = ["| size | process with opening, ms | load of Muster, s | of DuckDB, s | of ClickHouse, s |",
             "| --- | ---: | ---: | ---: | ---: |"]
    for size, kinds in found.items():
        run = kinds["run"][0]
        seconds = [run["loadSeconds"].get(name) for name in ("muster", "duckdb", "clickhouse")]
        lines.append(f"| {size} | {cell(run['openMs'])} | {' | '.join(f'{s:,.0f}' if s else '' for s in seconds)} |")
    return lines


def fill(found):
    path = os.path.join(DOCS, "performance.md")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    parts = {"cases": case_table(found["S"]) if "S" in found else [], "mixes": mix_table(found) + [""] + together_lines(found),
             "threads": thread_table(found), "agreement": agreement_lines(found), "disk": disk_lines(found),
             "open": open_lines(found)}
    for name, lines in parts.items():
        begin, end = f"<!-- {name}: from bench/plots.py -->\n", f"<!-- end of {name} -->"
        if begin not in text or end not in text:
            sys.exit(f"plots: docs/performance.md has no marks for {name}")
        head, rest = text.split(begin, 1)
        text = head + begin + "\n" + "\n".join(lines) + "\n\n" + end + rest.split(end, 1)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


recorded = recordings()
if not recorded:
    sys.exit("plots: no recorded results in bench/results")
draw(recorded)
fill(recorded)
