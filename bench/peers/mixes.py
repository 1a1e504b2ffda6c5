"""mixes.py: the audiences that `muster sample --audiences` makes, translated to SQL.

A rule is a row of terms joined by `and` and `or`. Each term is recognised by its whole text, so nothing is guessed: a term
of another form ends the comparison. `Audience.sql(dialect, style)` counts its members; styles differ in how a condition on
events becomes one on a profile:

in         person IN (SELECT person FROM event WHERE ...)
exists     EXISTS (SELECT 1 FROM event e WHERE e.person = p.person AND ...)
aggregate  a join with one row of aggregates per person, computed in one pass over the events that any term needs
"""
import json
import random
import re

ADD, PURCHASE = "commerce.productListAdds", "commerce.purchases"
STYLES = ("in", "exists", "aggregate")

EVENT = r'eventType = "([\w.]+)"(?: and web\.webPageDetails\.name = "([\w:]+)")?'
WINDOW = r"(\d+) (hours|days)"


class Unknown(Exception):
    pass


def event_condition(kind, page, alias=""):
    condition = f"{alias}type = '{kind}'"
    return condition + (f" AND {alias}page = '{page}'" if page else "")


def within(number, unit, alias=""):
    return f"{alias}timestamp BETWEEN $now - INTERVAL {number} {unit[:-1].upper()} AND $now"


class Plain:
    """A condition on the profile's own columns; both dialects unless the second is given."""

    def __init__(self, sql, clickhouse=None):
        self.texts = {"duckdb": sql, "clickhouse": clickhouse or sql}


class OfEvents:
    """A condition on the events `where`: some (n None), at least n of them, or a sum greater than n."""

    def __init__(self, where, kind="any", n=None, positive=True):
        self.where, self.kind, self.n, self.positive = where, kind, n, positive

    def having(self):
        return {"count": f"count(*) >= {self.n}", "sum": f"sum(total) > {self.n}"}[self.kind]

    def relevant(self):
        return f"{self.where} AND total IS NOT NULL" if self.kind == "sum" else self.where

    def text(self, style):
        negation = "" if self.positive else "NOT "
        if self.kind != "any":
            return f"person IN (SELECT person FROM event WHERE {self.relevant()} GROUP BY person HAVING {self.having()})"
        if style == "exists":
            return f"{negation}EXISTS (SELECT 1 FROM event e WHERE e.person = p.person AND {self.where})"
        return f"person {negation}IN (SELECT person FROM event WHERE {self.where})"

    def aggregate(self, dialect):
        if self.kind == "any":
            return f"max(CASE WHEN {self.where} THEN 1 ELSE 0 END)"
        if self.kind == "count":
            return f"sum(CASE WHEN {self.where} THEN 1 ELSE 0 END)"
        return f"sum(CASE WHEN {self.where} THEN total END)"

    def column(self, name):
        if self.kind == "any":
            return f"coalesce({name}, 0) = {1 if self.positive else 0}"
        return f"coalesce({name}, 0) {'>=' if self.kind == 'count' else '>'} {self.n}"


class Exclusion:
    """An addition to the list in the window, and no purchase after it: the last addition decides."""

    def __init__(self, window):
        self.window = window

    def text(self, style):
        least = "TIMESTAMP '1970-01-01 00:00:00'"
        last = lambda kind: f"max(CASE WHEN type = '{kind}' AND {self.window} THEN timestamp END)"
        return (f"person IN (SELECT person FROM event WHERE type IN ('{ADD}', '{PURCHASE}') AND {self.window} GROUP BY person "
                f"HAVING {last(ADD)} >= coalesce({last(PURCHASE)}, {least}))")


class Sequence:
    """An event in the window, and another within some hours after it."""

    def __init__(self, first, window, then, hours):
        self.first, self.window, self.then, self.hours = first, window, then, hours

    def text(self, style):
        before = f"(SELECT person, timestamp FROM event WHERE {self.first} AND {self.window})"
        after = f"(SELECT person, timestamp FROM event WHERE {self.then} AND {self.window})"
        return (f"person IN (SELECT b.person FROM {after} b ASOF JOIN {before} a ON a.person = b.person AND "
                f"b.timestamp > a.timestamp WHERE b.timestamp <= a.timestamp + INTERVAL {self.hours} HOUR)")


class Reference:
    def __init__(self, name):
        self.name = name


def quoted(text):
    return ", ".join("'" + value + "'" for value in re.findall(r'"(\w+)"', text))


def some_event(m):
    return OfEvents(f"{event_condition(m[1], m[2])} AND {within(m[3], m[4])}")


TERMS = [(re.compile(pattern), make) for pattern, make in (
    (r'consents\.marketing\.email\.val = "(\w)"', lambda m: Plain(f"email_consent = '{m[1]}'")),
    (r'not \(consents\.collect\.val = "(\w)"\)',
     lambda m: Plain(f"collect IS DISTINCT FROM '{m[1]}'", f"collect != '{m[1]}'")),
    (r'homeAddress\.countryCode = "(\w+)"', lambda m: Plain(f"country = '{m[1]}'")),
    (r"homeAddress\.countryCode in \[(.*?)\]", lambda m: Plain(f"country IN ({quoted(m[1])})")),
    (r'loyalty\.tier = "(\w+)"', lambda m: Plain(f"tier = '{m[1]}'")),
    (r"loyalty\.tier in \[(.*?)\]", lambda m: Plain(f"tier IN ({quoted(m[1])})")),
    (r"loyalty\.points > (\d+)", lambda m: Plain(f"points > {m[1]}")),
    (r'person\.gender = "(\w+)"', lambda m: Plain(f"gender = '{m[1]}'")),
    (r"person\.birthDate occurs before date\((\d+), 1, 1\)",
     lambda m: Plain(f"birth_date < DATE '{m[1]}-01-01'", f"birth_date < toDate32('{m[1]}-01-01')")),
    (r"person\.birthDate\.getMonth\(\) = (\d+)", lambda m: Plain(f"month(birth_date) = {m[1]}")),
    (r'homeAddress\.postalCode\.startsWith\("(\w+)"\)', lambda m: Plain(f"postal LIKE '{m[1]}%'")),
    (r'personalEmail\.address\.endsWith\("([\w@.]+)"\)', lambda m: Plain(f"email LIKE '%{m[1]}'")),
    (r'inSegment\("([\w-]+)"\)', lambda m: Reference(m[1])),
    (rf"xEvent\[timestamp occurs <= {WINDOW} before now\]\.count\(\) > 0", lambda m: OfEvents(within(m[1], m[2]))),
    (rf"xEvent\[{EVENT} and timestamp occurs <= {WINDOW} before now\]\.count\(\) >= (\d+)",
     lambda m: some_event(m) if m[5] == "1" else OfEvents(some_event(m).where, "count", int(m[5]))),
    (rf"xEvent\[timestamp occurs <= {WINDOW} before now\]\.sum\(commerce\.order\.priceTotal\) > (\d+)",
     lambda m: OfEvents(within(m[1], m[2]), "sum", int(m[3]))),
    (rf"CHAIN\(xEvent, timestamp, \[A: WHAT\({EVENT}\) WHEN\(<= {WINDOW} before now\)\]\)", some_event),
    (rf"CHAIN\(xEvent, timestamp, \[A: WHAT\({EVENT}\) WHEN\(<= {WINDOW} before now\), "
     rf"B: WHAT\({EVENT}\) WHEN\(<= (\d+) hours after A\)\]\)",
     lambda m: Sequence(event_condition(m[1], m[2]), within(m[3], m[4]), event_condition(m[5], m[6]), int(m[7]))),
    (rf'CHAIN\(xEvent, timestamp, \[A: WHAT\(eventType = "{ADD}"\) WHEN\(<= {WINDOW} before now\), '
     rf'EXCLUDE\(WHAT\(eventType = "{PURCHASE}"\)\)\]\)', lambda m: Exclusion(within(m[1], m[2]))),
    (rf"not \(xEvent\[{EVENT} and timestamp occurs <= {WINDOW} before now\]\)",
     lambda m: OfEvents(some_event(m).where, positive=False)),
)]
JOINT = re.compile(" (and|or) ")


def parse(rule):
    """The terms of a rule, and the words between them."""
    at, terms, words = 0, [], []
    while True:
        for pattern, make in TERMS:
            found = pattern.match(rule, at)
            if found and (found.end() == len(rule) or JOINT.match(rule, found.end())):
                break
        else:
            raise Unknown(f"no SQL for the term at {rule[at:]!r}")
        terms.append(make(found))
        at = found.end()
        if at == len(rule):
            return terms, words
        joint = JOINT.match(rule, at)
        words.append(joint[1].upper())
        at = joint.end()


class Audience:
    def __init__(self, line, others):
        self.line = line
        document = json.loads(line)
        self.name, self.others = document["id"], others
        self.terms, self.words = parse(document["expression"])

    def condition(self, render):
        """SQL has the precedence of the rule language: AND binds more than OR."""
        text = ""
        for i, term in enumerate(self.terms):
            if i > 0:
                text += f" {self.words[i - 1]} "
            if isinstance(term, Reference):
                text += f"({self.others[term.name].condition(render)})"
            else:
                text += render(term)
        return text

    def all_terms(self):
        for term in self.terms:
            if isinstance(term, Reference):
                yield from self.others[term.name].all_terms()
            else:
                yield term

    def sql(self, dialect, style):
        if style == "aggregate":
            return self.with_aggregates(dialect)
        render = lambda term: term.texts[dialect] if isinstance(term, Plain) else term.text(style)
        return f"SELECT count(*) FROM profile p WHERE {self.condition(render)}"

    def with_aggregates(self, dialect):
        """None unless there are at least two conditions on events for one pass to decide."""
        found = [term for term in self.all_terms() if isinstance(term, OfEvents)]
        if len(found) < 2:
            return None
        columns = Columns()
        condition = self.condition(lambda term: columns.render(term, dialect))
        where = " OR ".join(f"({term.relevant()})" for term in found)
        return (f"SELECT count(*) FROM profile p LEFT JOIN (SELECT person, {columns.list(dialect)} FROM event WHERE {where} "
                f"GROUP BY person) f ON f.person = p.person WHERE {condition.replace('person IN', 'p.person IN')}")


class Columns:
    """Aggregates by their text, so that equal ones are one column."""

    def __init__(self):
        self.names = {}

    def render(self, term, dialect):
        if isinstance(term, Plain):
            return term.texts[dialect]
        if not isinstance(term, OfEvents):
            return term.text("in")
        return term.column(self.names.setdefault(term.aggregate(dialect), f"a{len(self.names)}"))

    def list(self, dialect):
        return ", ".join(f"{text} AS {name}" for text, name in self.names.items())


def read(path):
    audiences = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            audience = Audience(line, audiences)
            audiences[audience.name] = audience
    return list(audiences.values())


def together(audiences, dialect):
    """One statement for many: one pass of aggregates over the events, a row of flags per sequence, one pass of counts."""
    columns, joins, flags = Columns(), [], {}

    def render(term):
        if isinstance(term, (Plain, OfEvents)):
            return columns.render(term, dialect)
        text = term.text("in")
        if text not in flags:
            flags[text] = f"s{len(flags)}"
            joins.append(f"LEFT JOIN (SELECT DISTINCT person, 1 AS {flags[text]} FROM "
                         f"({text.removeprefix('person IN (').removesuffix(')')})) j{len(joins)} "
                         f"ON j{len(joins)}.person = p.person")
        return f"coalesce({flags[text]}, 0) = 1"

    counts = [audience.condition(render) for audience in audiences]
    listed = ", ".join(f"sum(CASE WHEN {condition} THEN 1 ELSE 0 END)" for condition in counts)
    return (f"SELECT {listed} FROM profile p LEFT JOIN (SELECT person, {columns.list(dialect)} FROM event GROUP BY person) f "
            f"ON f.person = p.person {' '.join(joins)}")


def forms(audience, dialect):
    return [sql for sql in (audience.sql(dialect, style) for style in STYLES) if sql]


