"""cases.py: the same questions as a rule, as SQL for DuckDB and as SQL for ClickHouse.

`cases` is a list of Case. Both SQLs are lists of forms; duckdb.mjs and clickhouse.py try each and keep the fastest.
Tables are those of duckdb.mjs and clickhouse.py: profile, event, item, category, affinity, store, product. `$now` is the
instant that all call now, `$last` the greatest person number. Several audiences make a case that asks for the last one.
"""
from collections import namedtuple

Case = namedtuple("Case", "name kernel rules duckdb clickhouse")

PURCHASE = "commerce.purchases"
VIEW = "commerce.productViews"
ADD = "commerce.productListAdds"
CHECKOUT = "commerce.checkouts"
PAGE = "web.webpagedetails.pageViews"

cases = []


def window(days, alias=""):
    """The condition of both peers for `timestamp occurs <= days before now`."""
    return f"{alias}timestamp BETWEEN $now - INTERVAL {days} DAY AND $now"


def case(name, kernel, rules, duckdb, clickhouse=None):
    """`clickhouse` None: the SQL of DuckDB is good for both."""
    listed = lambda x: [x] if isinstance(x, str) else list(x)
    cases.append(Case(name, kernel, listed(rules), listed(duckdb), listed(clickhouse or duckdb)))


def profiles(name, kernel, rule, condition, clickhouse=None):
    case(name, kernel, rule, f"SELECT count(*) FROM profile WHERE {condition}",
         f"SELECT count() FROM profile WHERE {clickhouse or condition}")


def whoever(table, condition):
    """Forms of: how many persons have a row of the table with the condition."""
    return ([f"SELECT count(DISTINCT person) FROM {table} WHERE {condition}",
             f"SELECT count(*) FROM (SELECT DISTINCT person FROM {table} WHERE {condition})",
             f"SELECT bit_count(bitstring_agg(person, 0, $last)) FROM {table} WHERE {condition}"],
            [f"SELECT uniqExact(person) FROM {table} WHERE {condition}",
             f"SELECT groupBitmap(person) FROM {table} WHERE {condition}",
             f"SELECT count() FROM (SELECT person FROM {table} WHERE {condition} GROUP BY person)"])


def exists(name, kernel, rule, condition, table="event"):
    case(name, kernel, rule, *whoever(table, condition))


def grouped(name, kernel, rule, condition, having, table="event", clickhouse=None):
    """Persons whose rows with the condition, taken together, have a property."""
    where = f"WHERE {condition} " if condition else ""
    sql = f"SELECT count(*) FROM (SELECT person FROM {table} {where}GROUP BY person HAVING {having})"
    case(name, kernel, rule, sql,
         [sql.replace(having, clickhouse or having) + setting
          for setting in ("", " SETTINGS optimize_aggregation_in_order = 1")])


def members(condition, positive=True):
    """A condition on a profile: it is (not) among the persons with such an event."""
    return f"person {'' if positive else 'NOT '}IN (SELECT person FROM event WHERE {condition})"


# -------- attributes --------

profiles("attribute", "range over codes", 'homeAddress.countryCode = "US"', "country = 'US'")
profiles("three attributes", "ranges, and",
         'homeAddress.countryCode = "US" and loyalty.tier in ["gold", "platinum"] and person.gender = "female"',
         "country = 'US' AND tier IN ('gold', 'platinum') AND gender = 'female'")
profiles("number ranges", "ranges", "loyalty.points > 5000 and _luma.rfm.monetary < 500",
         "points > 5000 AND monetary < 500")
profiles("date", "range of dates", "person.birthDate occurs before date(1980, 1, 1)", "birth_date < DATE '1980-01-01'",
         "birth_date < toDate32('1980-01-01')")
profiles("month of a date", "table over dates", "person.birthDate.getMonth() = 3", "month(birth_date) = 3")
profiles("prefix", "table over codes", 'homeAddress.postalCode.startsWith("10")', "starts_with(postal, '10')",
         "startsWith(postal, '10')")
profiles("pattern", "table over codes", 'person.name.lastName like "Family-1%9"', "last_name LIKE 'Family-1%9'")
profiles("case ignored", "table over codes", 'homeAddress.city.equals("berlin", false)', "lower(city::VARCHAR) = 'berlin'",
         "lower(city) = 'berlin'")
profiles("substring, unique texts", "text search", 'personalEmail.address.contains("77")', "contains(email, '77')",
         "position(email, '77') > 0")
profiles("regular expression, unique texts", "regular expression", 'personalEmail.address.matches("^p[0-9]*7[13]9@")',
         "regexp_matches(email, '^p[0-9]*7[13]9@')", "match(email, '^p[0-9]*7[13]9@')")
profiles("absent is not no", "null rules", 'not (consents.marketing.email.val = "n")',
         "email_consent IS DISTINCT FROM 'n'", "email_consent != 'n'")
profiles("absent and not in", "null rules", 'loyalty.tier.isNull() and homeAddress.countryCode notIn ["US", "GB"]',
         "tier IS NULL AND country NOT IN ('US', 'GB')", "tier = '' AND country NOT IN ('US', 'GB')")

# -------- lists, maps and look-ups of a profile --------

case("list includes", "any", '_luma.preferences.categories.includes("yoga")',
     ["SELECT count(*) FROM profile WHERE list_contains(categories, 'yoga')",
      "SELECT count(*) FROM category WHERE category = 'yoga'"],
     ["SELECT count() FROM profile WHERE has(categories, 'yoga')",
      "SELECT count() FROM category WHERE category = 'yoga'"])
case("list has all", "any, and", '_luma.preferences.categories.supersetOf(["yoga", "travel"])',
     ["SELECT count(*) FROM profile WHERE list_has_all(categories, ['yoga', 'travel'])",
      "SELECT count(*) FROM (SELECT person FROM category WHERE category IN ('yoga', 'travel') GROUP BY person "
      "HAVING count(*) = 2)"],
     ["SELECT count() FROM profile WHERE hasAll(categories, ['yoga', 'travel'])",
      "SELECT count() FROM (SELECT person FROM category WHERE category IN ('yoga', 'travel') GROUP BY person "
      "HAVING count() = 2)"])
case("list of objects", "any",
     'optOutConsentLevel.privacyOptOuts[optOutType = "general_opt_out" and optOutValue = "out"].count() > 0',
     "SELECT count(*) FROM profile WHERE len(list_filter(opt_outs, lambda o: o.optOutType = 'general_opt_out' AND "
     "o.optOutValue = 'out')) > 0",
     "SELECT count() FROM profile WHERE has(opt_outs, ('general_opt_out', 'out'))")
case("map value", "any over entries", '_luma.affinities.get("running") > 0.5',
     ["SELECT count(*) FROM profile WHERE affinities['running'] > 0.5",
      "SELECT count(*) FROM affinity WHERE category = 'running' AND score > 0.5"],
     ["SELECT count() FROM profile WHERE affinities['running'] > 0.5",
      "SELECT count() FROM affinity WHERE category = 'running' AND score > 0.5"])
case("map key", "any over entries", '_luma.affinities.keys().includes("gifts")',
     ["SELECT count(*) FROM profile WHERE map_contains(affinities, 'gifts')",
      "SELECT count(*) FROM affinity WHERE category = 'gifts'"],
     ["SELECT count() FROM profile WHERE mapContains(affinities, 'gifts')",
      "SELECT count() FROM affinity WHERE category = 'gifts'"])
case("look-up of the profile", "table through a relationship", '_luma.preferences.storeId.address.city = "Paris"',
     ["SELECT count(*) FROM profile WHERE store IN (SELECT store FROM store WHERE city = 'Paris')",
      "SELECT count(*) FROM profile JOIN store USING (store) WHERE store.city = 'Paris'"],
     "SELECT count() FROM profile WHERE store IN (SELECT store FROM store WHERE city = 'Paris')")

# -------- some event --------

exists("event in 7 days", "range, any", f'xEvent.exists(eventType = "{PURCHASE}" and timestamp occurs <= 7 days before now)',
       f"type = '{PURCHASE}' AND {window(7)}")
exists("page view in 1 day", "range, any", f'xEvent.exists(eventType = "{PAGE}" and timestamp occurs <= 1 days before now)',
       f"type = '{PAGE}' AND {window(1)}")
exists("event ever", "any", f'xEvent.exists(eventType = "{ADD}")', f"type = '{ADD}'")
exists("page prefix", "table over codes, any", 'xEvent.exists(web.webPageDetails.name.startsWith("women"))',
       "starts_with(page, 'women')")
cases[-1] = cases[-1]._replace(clickhouse=[s.replace("starts_with", "startsWith") for s in cases[-1].clickhouse])
case("never", "not any", f'loyalty.tier = "gold" and not xEvent.exists(eventType = "{PURCHASE}")',
     [f"SELECT count(*) FROM profile p WHERE tier = 'gold' AND NOT EXISTS (SELECT 1 FROM event e WHERE "
      f"e.person = p.person AND e.type = '{PURCHASE}')",
      f"SELECT count(*) FROM profile WHERE tier = 'gold' AND {members(f'type = {PURCHASE!r}', False)}"],
     f"SELECT count() FROM profile WHERE tier = 'gold' AND {members(f'type = {PURCHASE!r}', False)}")
case("not in 14 days", "not any", f'not (xEvent[eventType = "{PAGE}" and timestamp occurs <= 14 days before now])',
     [f"SELECT count(*) FROM profile p WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.person = p.person AND "
      f"e.type = '{PAGE}' AND {window(14, 'e.')})"] +
     [f"SELECT (SELECT count(*) FROM profile) - ({sql})" for sql in whoever("event", f"type = '{PAGE}' AND {window(14)}")[0]],
     [f"SELECT (SELECT count() FROM profile) - ({sql})" for sql in whoever("event", f"type = '{PAGE}' AND {window(14)}")[1]])
case("event against the profile", "compare across levels", "xEvent[commerce.order.priceTotal > ^_luma.rfm.monetary]",
     ["SELECT count(*) FROM profile p WHERE EXISTS (SELECT 1 FROM event e WHERE e.person = p.person AND "
      "e.total > p.monetary)",
      "SELECT count(*) FROM profile p JOIN (SELECT person, max(total) AS most FROM event WHERE total IS NOT NULL "
      "GROUP BY person) e USING (person) WHERE e.most > p.monetary"],
     "SELECT count() FROM profile p JOIN (SELECT person, max(total) AS most FROM event WHERE total IS NOT NULL "
     "GROUP BY person) e USING (person) WHERE e.most > p.monetary")

# -------- reductions --------

grouped("count", "count", f'xEvent[eventType = "{VIEW}" and timestamp occurs <= 7 days before now].count() >= 3',
        f"type = '{VIEW}' AND {window(7)}", "count(*) >= 3")
grouped("sum", "sum", "xEvent[timestamp occurs <= 30 days before now].sum(commerce.order.priceTotal) > 300", window(30),
        "sum(total) > 300")
cases[-1] = cases[-1]._replace(**{peer: getattr(cases[-1], peer) + [
    f"SELECT count(*) FROM (SELECT person FROM event WHERE total IS NOT NULL AND {window(30)} GROUP BY person "
    "HAVING sum(total) > 300)"] for peer in ("duckdb", "clickhouse")})
grouped("average", "sum, count", f'xEvent[eventType = "{PURCHASE}"].average(commerce.order.priceTotal) > 150',
        f"type = '{PURCHASE}'", "avg(total) > 150")
grouped("greatest", "max", f'xEvent[eventType = "{PURCHASE}"].max(commerce.order.priceTotal) >= 250',
        f"type = '{PURCHASE}'", "max(total) >= 250")
grouped("distinct", "distinct-count",
        "xEvent[timestamp occurs <= 7 days before now].web.webPageDetails.name.distinct().count() >= 5", window(7),
        "count(DISTINCT page) >= 5", clickhouse="uniqExact(page) >= 5")
cases[-1].duckdb.append(f"SELECT count(*) FROM (SELECT person FROM (SELECT DISTINCT person, page FROM event WHERE "
                        f"{window(7)}) GROUP BY person HAVING count(*) >= 5)")
case("group by", "group",
     'xEvent[timestamp occurs <= 14 days before now].groupBy(web.webPageDetails.name).map((K, G) => mapEntry(K, G.count())).values().max() >= 4',
     f"SELECT count(DISTINCT person) FROM (SELECT person FROM event WHERE {window(14)} GROUP BY person, page "
     "HAVING count(*) >= 4)",
     f"SELECT uniqExact(person) FROM (SELECT person FROM event WHERE {window(14)} GROUP BY person, page "
     "HAVING count() >= 4)")
grouped("latest event", "best", f'xEvent.topN(timestamp, 1).head().eventType = "{CHECKOUT}"', "",
        f"arg_max(type, timestamp) = '{CHECKOUT}'", clickhouse=f"argMax(type, timestamp) = '{CHECKOUT}'")
cases[-1].duckdb.append(f"SELECT count(*) FROM (SELECT type, row_number() OVER (PARTITION BY person ORDER BY timestamp DESC) "
                        f"AS n FROM event) WHERE n = 1 AND type = '{CHECKOUT}'")
cases[-1].clickhouse.append(f"SELECT count() FROM (SELECT type FROM event ORDER BY person DESC, timestamp DESC LIMIT 1 BY "
                            f"person) WHERE type = '{CHECKOUT}'")

# -------- nested arrays, quantifiers --------

exists("nested array", "any of any", 'xEvent[productListItems[SKU = "LM-YM-04" and quantity >= 2]]',
       "sku = 'LM-YM-04' AND quantity >= 2", "item")
grouped("sum of a nested array", "sum over items", f'xEvent[eventType = "{PURCHASE}"].productListItems.sum(priceTotal) > 400',
        f"type = '{PURCHASE}'", "sum(price) > 400", "item")
case("items of one event", "count of items, any", "xEvent[productListItems.count() >= 3]",
     whoever("event", "len(items) >= 3")[0], whoever("event", "length(items.sku) >= 3")[1])
exists("two variables", "any of any",
       f'exists E from xEvent where E.eventType = "{PURCHASE}" and E.commerce.order.priceTotal > 100, '
       'I from E.productListItems where I.SKU = "LM-WT-01"',
       f"type = '{PURCHASE}' AND total > 100 AND sku = 'LM-WT-01'", "item")
case("two events", "quantifier over pairs",
     f'exists E from xEvent where E.eventType = "{CHECKOUT}", F from xEvent where F.eventType = "{PURCHASE}" and '
     'F.web.webPageDetails.name != E.web.webPageDetails.name',
     [f"SELECT count(*) FROM (SELECT DISTINCT e.person FROM event e JOIN event f USING (person) WHERE "
      f"e.type = '{CHECKOUT}' AND f.type = '{PURCHASE}' AND e.page != f.page)",
      f"SELECT count(DISTINCT e.person) FROM (SELECT person, page FROM event WHERE type = '{CHECKOUT}' GROUP BY person, page) e "
      f"SEMI JOIN (SELECT person, page FROM event WHERE type = '{PURCHASE}' GROUP BY person, page) f "
      "ON e.person = f.person AND e.page != f.page"],
     f"SELECT uniqExact(e.person) FROM (SELECT person, page FROM event WHERE type = '{CHECKOUT}' GROUP BY person, page) e "
     f"JOIN (SELECT person, page FROM event WHERE type = '{PURCHASE}' GROUP BY person, page) f USING (person) "
     "WHERE e.page != f.page")
exists("look-up of items", "table through a relationship",
       f'xEvent[eventType = "{ADD}" and productListItems[SKU.category = "Jackets"]]',
       f"type = '{ADD}' AND sku IN (SELECT sku FROM product WHERE category = 'Jackets')", "item")

# -------- chains --------


def what(kind, when=""):
    return f'WHAT(eventType = "{kind}"){" WHEN(" + when + ")" if when else ""}'


def rows(kind, condition=""):
    return f"(SELECT person, timestamp FROM event WHERE type = '{kind}'{' AND ' + condition if condition else ''})"


case("chain of 2 with a gap", "chain",
     f'CHAIN(xEvent, timestamp, [A: {what(VIEW, "<= 7 days before now")}, B: {what(PURCHASE, "<= 2 hours after A")}])',
     [f"SELECT count(DISTINCT a.person) FROM {rows(VIEW, window(7))} a JOIN {rows(PURCHASE, window(7))} b ON "
      "a.person = b.person AND b.timestamp > a.timestamp AND b.timestamp <= a.timestamp + INTERVAL 2 HOUR",
      f"SELECT count(DISTINCT b.person) FROM {rows(PURCHASE, window(7))} b ASOF JOIN {rows(VIEW, window(7))} a ON "
      "a.person = b.person AND b.timestamp > a.timestamp WHERE b.timestamp <= a.timestamp + INTERVAL 2 HOUR",
      f"""SELECT count(DISTINCT person) FROM (SELECT person, type, timestamp, max(CASE WHEN type = '{VIEW}' THEN timestamp END)
      OVER (PARTITION BY person ORDER BY timestamp RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 MILLISECOND PRECEDING)
      AS before FROM event WHERE type IN ('{VIEW}', '{PURCHASE}') AND {window(7)}) WHERE type = '{PURCHASE}' AND
      timestamp <= before + INTERVAL 2 HOUR"""],
     [f"SELECT uniqExact(b.person) FROM {rows(PURCHASE, window(7))} b ASOF JOIN {rows(VIEW, window(7))} a ON "
      "a.person = b.person AND b.timestamp > a.timestamp WHERE b.timestamp <= a.timestamp + INTERVAL 2 HOUR",
      f"SELECT uniqExact(a.person) FROM {rows(VIEW, window(7))} a JOIN {rows(PURCHASE, window(7))} b ON "
      "a.person = b.person WHERE b.timestamp > a.timestamp AND b.timestamp <= a.timestamp + INTERVAL 2 HOUR"])


def first_match_forms(kinds):
    """No gaps: the earliest of each after the earliest before it, so that one pass of minima decides."""
    duckdb, clickhouse = [], []
    joined = f"(SELECT person, min(timestamp) AS t FROM event WHERE type = '{kinds[0]}' GROUP BY person)"
    for kind in kinds[1:]:
        joined = (f"(SELECT e.person, min(e.timestamp) AS t FROM event e JOIN {joined} p ON e.person = p.person WHERE "
                  f"e.type = '{kind}' AND e.timestamp > p.t GROUP BY e.person)")
    duckdb.append(f"SELECT count(*) FROM {joined}")
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    clickhouse.append(duckdb[0])
    instant = "toUInt64(toUnixTimestamp64Milli(timestamp))"
    pattern = ".*".join(f"(?{i + 1})" for i in range(len(kinds)))
    conditions = ", ".join(f"type = '{kind}'" for kind in kinds)
    clickhouse.append(f"SELECT count() FROM (SELECT person FROM event WHERE type IN ({listed}) GROUP BY person HAVING "
                      f"sequenceMatch('{pattern}')({instant}, {conditions}))")
    clickhouse.append(f"SELECT count() FROM (SELECT person FROM event WHERE type IN ({listed}) GROUP BY person HAVING "
                      f"windowFunnel(9999999999999, 'strict_increase')({instant}, {conditions}) = {len(kinds)})")
    lists = ", ".join(f"list(timestamp ORDER BY timestamp) FILTER (type = '{kind}') AS t{i}" for i, kind in enumerate(kinds))
    earliest = "t0[1]"
    for i in range(1, len(kinds)):
        earliest = f"list_min(list_filter(t{i}, lambda x{i}: x{i} > {earliest}))"
    duckdb.append(f"SELECT count(*) FROM (SELECT person, {lists} FROM event WHERE type IN ({listed}) GROUP BY person) WHERE "
                  f"{earliest} IS NOT NULL")
    return duckdb, clickhouse


case("chain of 3", "chain", f"CHAIN(xEvent, timestamp, [{what(VIEW)}, {what(ADD)}, {what(PURCHASE)}])",
     *first_match_forms([VIEW, ADD, PURCHASE]))
case("chain of 4", "chain", f"CHAIN(xEvent, timestamp, [{what(VIEW)}, {what(ADD)}, {what(CHECKOUT)}, {what(PURCHASE)}])",
     *first_match_forms([VIEW, ADD, CHECKOUT, PURCHASE]))


def chain_of_3_with_gaps():
    """Whoever added within 10 minutes after a view, and then paid within an hour after adding."""
    form = ("SELECT {count} FROM " + rows(PURCHASE) + " c ASOF JOIN (SELECT b.person AS person, b.timestamp AS timestamp "
            "FROM " + rows(ADD) + " b ASOF JOIN " + rows(VIEW) + " a ON a.person = b.person AND b.timestamp > a.timestamp "
            "WHERE b.timestamp <= a.timestamp + INTERVAL 10 MINUTE) b ON b.person = c.person AND c.timestamp > b.timestamp "
            "WHERE c.timestamp <= b.timestamp + INTERVAL 1 HOUR")
    plain = ("SELECT count(DISTINCT c.person) FROM " + rows(PURCHASE) + " c JOIN " + rows(ADD) + " b ON b.person = c.person "
             "AND c.timestamp > b.timestamp AND c.timestamp <= b.timestamp + INTERVAL 1 HOUR JOIN " + rows(VIEW) +
             " a ON a.person = b.person AND b.timestamp > a.timestamp AND b.timestamp <= a.timestamp + INTERVAL 10 MINUTE")
    return ([form.format(count="count(DISTINCT c.person)"), plain], [form.format(count="uniqExact(c.person)")])


case("chain of 3 with gaps", "chain",
     f'CHAIN(xEvent, timestamp, [A: {what(VIEW)}, B: {what(ADD, "<= 10 minutes after A")}, '
     f'C: {what(PURCHASE, "<= 1 hours after B")}])', *chain_of_3_with_gaps())
grouped("chain with an exclusion", "chain",
        f'CHAIN(xEvent, timestamp, [A: {what(ADD, "<= 7 days before now")}, EXCLUDE({what(PURCHASE)})])',
        f"type IN ('{ADD}', '{PURCHASE}') AND {window(7)}",
        f"max(timestamp) FILTER (type = '{ADD}') >= coalesce(max(timestamp) FILTER (type = '{PURCHASE}'), TIMESTAMP '1970-01-01 00:00:00')",
        clickhouse=f"countIf(type = '{ADD}') > 0 AND maxIf(timestamp, type = '{ADD}') >= maxIf(timestamp, type = '{PURCHASE}')")
case("chain with a count", "chain",
     f'CHAIN(xEvent, timestamp, [A: {what(VIEW, "<= 14 days before now")} COUNT(3), B: {what(CHECKOUT)}])',
     [f"SELECT count(*) FROM (SELECT person, list(timestamp ORDER BY timestamp)[3] AS third FROM {rows(VIEW, window(14))} "
      f"GROUP BY person HAVING count(*) >= 3) a SEMI JOIN {rows(CHECKOUT)} b ON a.person = b.person AND "
      "b.timestamp > a.third",
      f"SELECT count(*) FROM (SELECT person, min(timestamp, 3)[3] AS third FROM {rows(VIEW, window(14))} GROUP BY person "
      f"HAVING count(*) >= 3) a JOIN (SELECT person, max(timestamp) AS last FROM {rows(CHECKOUT)} GROUP BY person) b "
      "USING (person) WHERE last > third"],
     [f"SELECT count() FROM (SELECT person, arraySort(groupArray(timestamp))[3] AS third FROM {rows(VIEW, window(14))} "
      f"GROUP BY person HAVING count() >= 3) a JOIN (SELECT person, max(timestamp) AS last FROM {rows(CHECKOUT)} "
      "GROUP BY person) b USING (person) WHERE last > third"])
case("chain on the same page", "chain reading another event",
     f'CHAIN(xEvent, timestamp, [A: WHAT(eventType = "{VIEW}") WHEN(<= 7 days before now), '
     f'B: WHAT(eventType = "{VIEW}" and web.webPageDetails.name = A.web.webPageDetails.name) WHEN(<= 30 minutes after A)])',
     [f"SELECT count(DISTINCT person) FROM (SELECT person, timestamp, lead(timestamp) OVER (PARTITION BY person, page ORDER BY "
      f"timestamp) AS next FROM event WHERE type = '{VIEW}' AND {window(7)}) WHERE next > timestamp AND "
      "next <= timestamp + INTERVAL 30 MINUTE",
      f"SELECT count(DISTINCT a.person) FROM event a JOIN event b ON a.person = b.person AND a.page = b.page AND "
      f"b.timestamp > a.timestamp AND b.timestamp <= a.timestamp + INTERVAL 30 MINUTE WHERE a.type = '{VIEW}' AND "
      f"b.type = '{VIEW}' AND {window(7, 'a.')} AND {window(7, 'b.')}"],
     [f"SELECT uniqExact(person) FROM (SELECT person, timestamp, lagInFrame(timestamp) OVER (PARTITION BY person, page ORDER "
      f"BY timestamp) AS before FROM event WHERE type = '{VIEW}' AND {window(7)}) WHERE timestamp > before AND "
      "timestamp <= before + INTERVAL 30 MINUTE"])

# -------- audiences of audiences --------

case("audience of audiences", "audience references",
     ['homeAddress.countryCode = "US"', f'xEvent[eventType = "{PURCHASE}"].count() >= 1',
      'loyalty.tier in ["gold", "platinum"]',
      'inSegment("1") and inSegment("2") and not inSegment("3")'],
     [f"SELECT count(*) FROM profile WHERE country = 'US' AND (tier IS NULL OR tier NOT IN ('gold', 'platinum')) AND "
      f"{members(f'type = {PURCHASE!r}')}"],
     [f"SELECT count() FROM profile WHERE country = 'US' AND tier NOT IN ('gold', 'platinum') AND "
      f"{members(f'type = {PURCHASE!r}')}"])
