"""load.py URL DEFINITIONS JOBS: fills an empty sandbox with definitions (one in four refers to another one)
and finished segment jobs, then measures requests one after another on one connection. One line of JSON a case,
times in milliseconds; the last line names an id for the throughput case."""
import http.client
import json
import random
import sys
import time
import urllib.parse

url, n_definitions, n_jobs = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
headers = {
    "Authorization": "Bearer bench", "x-api-key": "bench", "x-gw-ims-org-id": "bench@AdobeOrg",
    "x-sandbox-name": "prod", "Content-Type": "application/json",
}
connection = http.client.HTTPConnection(url.hostname, url.port)
ups = "/data/core/ups"


def call(method, path, body=None):
    begin = time.perf_counter()
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    text = response.read()
    return response.status, text, (time.perf_counter() - begin) * 1000


def report(case, times):
    times.sort()
    at = lambda share: round(times[min(len(times) - 1, int(len(times) * share))], 2)
    print(json.dumps({"case": case, "n": len(times), "p50": at(0.5), "p99": at(0.99), "max": round(times[-1], 2)}), flush=True)


def measure(case, n, method, path_of, body_of=lambda i: None, wanted=200):
    times = []
    for i in range(n):
        status, text, ms = call(method, path_of(i), body_of(i))
        if status != wanted:
            sys.exit(f"{case}: {status} {text[:300]!r}")
        times.append(ms)
    report(case, times)


def definition(i, ids):
    rule = f'homeAddress.countryCode = "C{i % 97}" and homeAddress.city = "City {i % 80}"'
    if ids and i % 4 == 0:
        rule = f'inSegment("{ids[(i * 7) % len(ids)]}") and {rule}'
    return {"name": f"audience {i} of color {i % 13}", "description": f"people of group {i % 31}",
            "schema": {"name": "_xdm.context.profile"},
            "expression": {"type": "PQL", "format": "pql/text", "value": rule}}


def fill_definitions():
    ids, times = [], []
    for i in range(n_definitions):
        status, text, ms = call("POST", ups + "/segment/definitions", definition(i, ids))
        if status != 200:
            sys.exit(f"definition {i}: {status} {text[:300]!r}")
        ids.append(json.loads(text)["id"])
        times.append(ms)
    report("fill: create definition", times[:])
    return ids


def fill_jobs(ids):
    made, begin = [], time.perf_counter()
    while len(made) < n_jobs:
        status, text, _ = call("POST", ups + "/segment/jobs", [{"segmentId": random.choice(ids)}])
        if status == 200:
            made.append(json.loads(text)["id"])
        elif status == 429:
            time.sleep(0.005)
        else:
            sys.exit(f"job {len(made)}: {status} {text[:300]!r}")
        if len(made) % 1000 == 0 and status == 200:
            print(f"{len(made)} jobs in {time.perf_counter() - begin:.0f} s", file=sys.stderr)
    while any(json.loads(call("GET", f"{ups}/segment/jobs?status={s}&limit=1")[1])["_page"]["totalCount"]
              for s in ("NEW", "QUEUED", "PROCESSING")):
        time.sleep(0.1)
    return made


random.seed(4)
ids = fill_definitions()
jobs = fill_jobs(ids)
pages = n_definitions // 100
measure("get definition", 3000, "GET", lambda i: f"{ups}/segment/definitions/{random.choice(ids)}")
measure("get audience", 3000, "GET", lambda i: f"{ups}/audiences/{random.choice(ids)}")
measure("get job", 3000, "GET", lambda i: f"{ups}/segment/jobs/{random.choice(jobs)}")
measure("list definitions, a page of 100", 300, "GET", lambda i: f"{ups}/segment/definitions?page={i % pages}&limit=100")
measure("list audiences by name, sorted", 300, "GET", lambda i: f"{ups}/audiences?name=color%20{i % 13}&sort=name:asc&limit=20")
measure("list audiences by property", 300, "GET", lambda i: f"{ups}/audiences?property=audienceId=={random.choice(ids)}")
measure("list jobs, a page of 20", 300, "GET", lambda i: f"{ups}/segment/jobs?limit=20&start={i}")
measure("list succeeded jobs", 300, "GET", lambda i: f"{ups}/segment/jobs?limit=1&status=SUCCEEDED&sort=updateTime:desc")
measure("list jobs of a definition", 300, "GET", lambda i: f"{ups}/segment/jobs?property=segments~segmentId=={random.choice(ids)}")
search = f"{ups}/search/entities?schemaClass=_xdm.context.segmentdefinition&namespace=AEPSegments&s="
measure("search", 300, "GET", lambda i: search + urllib.parse.quote(f"name:color AND group {i % 31}"))
measure("create definition with a dependency", 300, "POST", lambda i: ups + "/segment/definitions",
        lambda i: definition(4 * (n_definitions + i), ids))
print(ids[-1])
