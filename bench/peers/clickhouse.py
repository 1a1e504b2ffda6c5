"""clickhouse.py load FOLDER CSV THREADS: makes the tables of a chDB session from CSV/{profiles,events,stores,products}.csv.
clickhouse.py ask FOLDER NOW THREADS: as `duckdb.mjs ask`."""
import json
import shutil
import sys
import time

from chdb import session as sessions

TEXTS = {
    "profile": "crm ecid first_name last_name birth_date gender email city state postal country tier points joined collect "
               "share email_consent opt_outs categories frequency monetary store affinities",
    "event": "crm ecid id timestamp type page total channel items",
}


def source(path, table):
    columns = ", ".join(name + " String" for name in TEXTS[table].split())
    return f"file('{path}', CSVWithNames, '{columns}')"


# An absent text is '', so that columns need no second one of null marks; numbers that rules compare are Nullable.
LOAD = """
CREATE TABLE profile (person UInt32, crm String, ecid String, first_name LowCardinality(String),
 last_name LowCardinality(String), birth_date Nullable(Date32), gender LowCardinality(String), email String,
 city LowCardinality(String), state LowCardinality(String), postal LowCardinality(String), country LowCardinality(String),
 tier LowCardinality(String), points Nullable(Int32), joined Nullable(DateTime64(3, 'UTC')), collect LowCardinality(String),
 share LowCardinality(String), email_consent LowCardinality(String), opt_outs Array(Tuple(optOutType String,
 optOutValue String)), categories Array(LowCardinality(String)), frequency Nullable(Int32), monetary Nullable(Float64),
 store LowCardinality(String), affinities Map(LowCardinality(String), Float64)) ENGINE = MergeTree ORDER BY person;
INSERT INTO profile SELECT rowNumberInAllBlocks(), crm, ecid, first_name, last_name, toDate32OrNull(birth_date), gender,
 email, city, state, postal, country, tier, toInt32OrNull(points), parseDateTime64BestEffortOrNull(joined, 3, 'UTC'), collect,
 share, email_consent, JSONExtract(opt_outs, 'Array(Tuple(optOutType String, optOutValue String))'),
 JSONExtract(categories, 'Array(LowCardinality(String))'), toInt32OrNull(frequency), toFloat64OrNull(monetary), store,
 JSONExtract(affinities, 'Map(LowCardinality(String), Float64)') FROM {profiles}
 SETTINGS max_threads = 1, input_format_parallel_parsing = 0, max_insert_threads = 1;
CREATE TABLE event (person UInt32, id UUID, timestamp DateTime64(3, 'UTC'), type LowCardinality(String),
 page LowCardinality(String), channel LowCardinality(String), total Nullable(Float64),
 items Nested(sku LowCardinality(String), quantity UInt32, price Float64)) ENGINE = MergeTree ORDER BY (person, timestamp);
INSERT INTO event SELECT p.person, toUUID(e.id), parseDateTime64BestEffort(e.timestamp, 3, 'UTC'), e.type, e.page, e.channel,
 toFloat64OrNull(e.total), e.parsed.SKU, e.parsed.quantity, e.parsed.priceTotal
 FROM (SELECT *, JSONExtract(items, 'Array(Tuple(SKU String, quantity UInt32, priceTotal Float64))') AS parsed
 FROM {events}) e JOIN (SELECT person, if(crm = '', ecid, crm) AS identity FROM profile) p
 ON p.identity = if(e.crm = '', e.ecid, e.crm) SETTINGS max_bytes_before_external_sort = 4000000000;
OPTIMIZE TABLE event FINAL;
CREATE TABLE item (person UInt32, timestamp DateTime64(3, 'UTC'), type LowCardinality(String), total Nullable(Float64),
 sku LowCardinality(String), quantity UInt32, price Float64) ENGINE = MergeTree ORDER BY (person, timestamp);
INSERT INTO item SELECT person, timestamp, type, total, items.sku, items.quantity, items.price FROM event ARRAY JOIN items;
OPTIMIZE TABLE item FINAL;
CREATE TABLE category (person UInt32, category LowCardinality(String)) ENGINE = MergeTree ORDER BY person;
INSERT INTO category SELECT person, category FROM profile ARRAY JOIN categories AS category;
CREATE TABLE affinity (person UInt32, category LowCardinality(String), score Float64) ENGINE = MergeTree ORDER BY person;
INSERT INTO affinity SELECT person, key, value FROM profile ARRAY JOIN mapKeys(affinities) AS key,
 mapValues(affinities) AS value;
CREATE TABLE store (store LowCardinality(String), name String, city String, country String) ENGINE = MergeTree ORDER BY store;
INSERT INTO store SELECT * FROM file('{folder}/stores.csv', CSVWithNames, 'a String, b String, c String, d String');
CREATE TABLE product (sku LowCardinality(String), name String, category String, path String, price Float64)
 ENGINE = MergeTree ORDER BY sku;
INSERT INTO product SELECT * FROM file('{folder}/products.csv', CSVWithNames, 'a String, b String, c String, d String,
 e Float64');
"""


def load(folder, csv, threads):
    shutil.rmtree(folder, ignore_errors=True)
    session = sessions.Session(folder)
    session.query("CREATE DATABASE IF NOT EXISTS peer ENGINE = Atomic; USE peer")
    session.query(f"SET max_threads = {threads}, input_format_csv_use_best_effort_in_schema_inference = 0, "
                  "input_format_with_names_use_header = 0")
    text = LOAD.format(profiles=source(csv + "/profiles.csv", "profile"), events=source(csv + "/events.csv", "event"), folder=csv)
    for statement in text.split(";\n"):
        if statement.strip():
            start = time.monotonic()
            session.query(statement)
            print(f"clickhouse: {' '.join(statement.split())[:40]} {(time.monotonic() - start) * 1000:.0f} ms", file=sys.stderr)
    session.close()


class Asker:
    def __init__(self, session, now):
        self.session = session
        self.now = "toDateTime64('" + now.replace("T", " ").replace("Z", "") + "', 3, 'UTC')"

    def timed(self, text):
        start = time.perf_counter()
        row = str(self.session.query(text, "CSV")).split("\n")[0]
        passed = (time.perf_counter() - start) * 1000
        counts = [int(cell) for cell in row.split(",")]
        return passed, counts[0] if len(counts) == 1 else counts

    def ask(self, name, forms, tries, runs):
        texts, counts, form_ms = [form.replace("$now", self.now) for form in forms], [], []
        for text in texts:
            passed = [self.timed(text) for _ in range(tries)]
            counts += [count for _, count in passed]
            form_ms.append(round(min((ms for ms, _ in passed), default=0), 3))
        form = form_ms.index(min(form_ms))
        passed = [self.timed(texts[form]) for _ in range(runs)]
        counts += [count for _, count in passed]
        if any(count != counts[0] for count in counts):
            raise ValueError(f"forms differ: {counts}")
        return {"name": name, "form": form, "count": counts[0], "ms": [round(ms, 3) for ms, _ in passed], "formMs": form_ms}


def main():
    mode, folder, argument, threads = sys.argv[1:]
    if mode == "load":
        load(folder, argument, threads)
        return
    session = sessions.Session(folder)
    session.query("USE peer")
    session.query(f"SET max_threads = {threads}, join_use_nulls = 0")
    version = str(session.query("SELECT version()", "TSV")).strip()
    print(json.dumps({"peer": "ClickHouse", "version": version}), flush=True)
    asker = Asker(session, argument)
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = asker.ask(**question)
        except Exception as error:
            answer = {"name": question["name"], "error": str(error)[:2000]}
        print(json.dumps(answer), flush=True)
    session.close()


main()
