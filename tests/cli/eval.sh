#!/usr/bin/env bash
# From files to answers: load, eval, --ids, --file, --explain, exclusions, against counts by awk.
. "$(dirname "$0")/lib.bash"

now=2026-03-10T12:00:00Z
expect 0 muster sample --profiles 2000 --events 30000 --seed 11 --until $now --out sample
expect 0 muster sample --profiles 2000 --events 30000 --seed 11 --until $now --out sample --format csv

expect 0 muster load --data json sample/profiles.ndjson sample/events.ndjson
matches "the summary" "$out" '^\{"read":32000,"loaded":32000,"rejected":0,"seconds":[0-9.]+\}$'
same "silence in a pipe" "$err" ""
expect 0 muster load --data csv sample/profiles.csv sample/events.csv
matches "the same number as CSV" "$out" '^\{"read":32000,"loaded":32000,"rejected":0,'

count() {
    sed -n 's/.*"count":\([0-9]*\).*/\1/p' <<<"$out"
}
ask() {
    expect 0 muster eval --data "$1" --now $now "${@:2}"
    matches "one object" "$(tail -1 <<<"$out")" '^\{"count":[0-9]+,"profiles":2000,"ms":[0-9.]+\}$'
}

gold=$(awk -F, '$12 == "gold"' sample/profiles.csv | wc -l)
buyers=$(awk -F, '$5 == "commerce.purchases" && $4 >= "2026-03-03T12:00:00.000Z" {print $1 $2}' \
    sample/events.csv | sort -u | wc -l)
[ "$gold" -gt 10 ] && [ "$buyers" -gt 10 ] || fail "the sample is too thin: $gold $buyers"
bought='xEvent.exists(eventType = "commerce.purchases" and timestamp occurs <= 7 days before now)'
for data in json csv; do
    for evaluator in "" --reference; do
        ask $data $evaluator 'loyalty.tier = "gold"'
        same "gold, $data $evaluator" "$(count)" "$gold"
        ask $data $evaluator "$bought"
        same "buyers, $data $evaluator" "$(count)" "$buyers"
    done
done

# Columns that parts hold packed (docs/storage.md 2.3) answer like others, with every instruction set.
people() {
    awk -F, -v OFS=: "NR > 1 && ($1) {print \$1, \$2}" sample/events.csv | sort -u | wc -l
}
id=$(sed -n 2000p sample/events.csv | cut -d, -f3)
while IFS='|' read -r condition rule; do
    wanted=$(people "$condition")
    for data in json csv; do
        ask $data --reference "$rule"
        same "$rule, $data, row by row" "$(count)" "$wanted"
        for kernels in plain avx2 avx512; do
            MUSTER_KERNELS=$kernels expect 0 muster eval --data $data --now $now "$rule"
            same "$rule, $data, $kernels" "$(count)" "$wanted"
        done
    done
done <<END
\$3 == "$id"|xEvent.exists(_id = "$id")
\$3 ~ /^ab/|xEvent.exists(_id.startsWith("ab"))
\$3 ~ /-9abc/|xEvent.exists(_id.contains("-9abc"))
\$3 >= "f8"|xEvent.exists(_id >= "f8")
\$7 != "" && \$7 + 0 > 200|xEvent.exists(commerce.order.priceTotal > 200)
\$7 == "" && \$8 == "store"|xEvent.exists(commerce.order.priceTotal.isNull() and _luma.channel = "store")
\$8 == "app" && \$1 != ""|xEvent.exists(_luma.channel = "app" and identityMap.lumaCrmId.isNotNull())
\$1 ~ /^CRM-1001/|xEvent.exists(identityMap.lumaCrmId.exists(id.startsWith("CRM-1001")))
END

# Who: exactly the people that awk finds, in the same order every time.
ask json --ids "$bought" --threads 1
ids=$(head -n -1 out.txt | sed -n 's/^{"identity":"\(.*\)"}$/\1/p')
ask json --ids "$bought" --threads 4
same "the order does not depend on threads" \
    "$(head -n -1 out.txt | sed -n 's/^{"identity":"\(.*\)"}$/\1/p' | cksum)" "$(cksum <<<"$ids")"
wanted=$(awk -F, '$5 == "commerce.purchases" && $4 >= "2026-03-03T12:00:00.000Z" {
    print $1 == "" ? "ECID:" $2 : "lumaCrmId:" $1}' sample/events.csv | sort -u)
same "the identities" "$(sort <<<"$ids")" "$wanted"

# A file of audiences.
tree=$(muster pql json 'loyalty.tier = "gold"')
cat >audiences.ndjson <<END
{"id":"gold","expression":"loyalty.tier = \"gold\""}
{"id":"gold-tree","expression":$tree}
{"id":"both","expression":"inSegment(\"gold\") and inSegment(\"buyers\")"}

{"id":"buyers","expression":"${bought//\"/\\\"}"}
{"id":"not-gold","expression":"not inSegment(\"gold\")"}
{"id":"elsewhere","expression":"inSegment(\"nobody\")"}
END
expect 0 muster eval --data json --now $now --file audiences.ndjson
same "a line each, and the summary" "$(wc -l <out.txt)" 7
same "gold" "$(sed -n 1p out.txt)" "{\"id\":\"gold\",\"count\":$gold}"
same "gold as a tree" "$(sed -n 2p out.txt)" "{\"id\":\"gold-tree\",\"count\":$gold}"
same "buyers" "$(sed -n 4p out.txt)" "{\"id\":\"buyers\",\"count\":$buyers}"
same "not gold" "$(sed -n 5p out.txt)" "{\"id\":\"not-gold\",\"count\":$((2000 - gold))}"
same "stored membership of nobody" "$(sed -n 6p out.txt)" '{"id":"elsewhere","count":0}'
matches "the summary of a file" "$(tail -1 out.txt)" \
    '^\{"audiences":6,"profiles":2000,"events":30000,"compileMs":[0-9.]+,"evalMs":[0-9.]+,"threads":[0-9]+,"peakRssBytes":[0-9]+\}$'
both=$(sed -n 3p out.txt)
ask json "loyalty.tier = \"gold\" and $bought"
same "inSegment is the same as the rules" "$both" "{\"id\":\"both\",\"count\":$(count)}"
cp audiences.ndjson standard-input
from_stdin() { muster eval --data json --now $now --file - <standard-input; }
expect 0 from_stdin
same "from standard input" "$(sed -n 4p out.txt)" "{\"id\":\"buyers\",\"count\":$buyers}"

# One bad audience does not spoil the others, but those that need it.
cat >bad.ndjson <<'END'
{"id":"fine","expression":"loyalty.tier = \"gold\""}
{"id":"wrong","expression":"loyalty.tier = = 1"}
{"id":"needs-wrong","expression":"inSegment(\"wrong\") or inSegment(\"fine\")"}
{"id":"needs-needs","expression":"not inSegment(\"needs-wrong\")"}
{"id":"a","expression":"inSegment(\"b\")"}
{"id":"b","expression":"inSegment(\"c\")"}
{"id":"c","expression":"inSegment(\"a\")"}
{"id":"self","expression":"not inSegment(\"self\")"}
{"id":"fine","expression":"loyalty.tier = \"silver\""}
{"expression":"loyalty.tier = \"gold\""}
{"id":"number","expression":7}
not json
END
expect 1 muster eval --data json --now $now --file bad.ndjson
same "lines" "$(wc -l <out.txt)" 13
same "the good one" "$(sed -n 1p out.txt)" "{\"id\":\"fine\",\"count\":$gold}"
matches "syntax" "$(sed -n 2p out.txt)" '^\{"id":"wrong","error":"line 1:16 PQL-S01 '
matches "whoever needs it" "$(sed -n 3p out.txt)" '"error":"it refers to the audience \\"wrong\\"'
matches "and further" "$(sed -n 4p out.txt)" '"error":"it refers to the audience \\"needs-wrong\\"'
same "circles" "$(grep -c PQL-V07 out.txt)" 4
matches "the same id twice" "$(sed -n 9p out.txt)" '"error":.*same id'
same "the others have errors too" "$(sed -n 10,12p out.txt | grep -c '"error":"input line')" 3
matches "how many are wrong" "$err" '11 of 12 audiences'

# Why.
member=$(head -1 <<<"$ids")
expect 0 muster eval --data json --now $now --explain "$member" "$bought"
matches "a member" "$out" '"member":true'
matches "by name" "$out" "^\{\"identity\":\"$member\","
matches "with the purchase" "$out" '"witnesses":\[\{.*"eventType":"commerce.purchases"'
other=$(comm -13 <(sort <<<"$ids") \
    <(awk -F, 'NR > 1 {print $1 == "" ? "ECID:" $2 : "lumaCrmId:" $1}' sample/profiles.csv | sort) | head -1)
expect 0 muster eval --data json --now $now --explain "$other" "$bought"
matches "no member" "$out" '"member":false'
expect 1 muster eval --data json --explain Email:nobody@example.com "$bought"
matches "nobody" "$err" 'no profile has the primary identity Email:nobody@example.com'
expect 2 muster eval --data json --explain nobody "$bought"
expect 0 muster eval --data json --now $now --tree --explain "$member" "$bought"
matches "drawn when asked for" "$out" '^└─ .* → true for [0-9]+ of [0-9]+$'
expect 2 muster eval --data json --tree "$bought"
if script --version >/dev/null 2>&1; then
    drawn=$(TERM=xterm script -qec "'$muster_binary' eval --data json --now $now --explain '$member' '$bought'" /dev/null </dev/null)
    matches "drawn on a terminal" "$drawn" "^$member is a member at 2026-03-10T12:00:00"
    matches "as a tree" "$drawn" '└─'
    matches "with the witness" "$drawn" 'commerce\.purchases'
fi

# Left out: opted out, too many events.
opted_out=$(grep -c general_opt_out sample/profiles.csv)
many=$(awk -F, 'NR > 1 {n[$1 $2]++} END {for (p in n) c += n[p] > 100; print c + 0}' sample/events.csv)
[ "$opted_out" -gt 3 ] && [ "$many" -gt 3 ] || fail "the sample is too thin: $opted_out $many"
ask json --opt-out exclude 'true'
same "opted out" "$(count)" "$((2000 - opted_out))"
matches "and said so" "$err" "$opted_out profiles with a general opt-out"
ask json --events-max 100 'true'
same "too many events" "$(count)" "$((2000 - many))"
ask json --opt-out exclude --ids 'true'
same "the identities too" "$(grep -c identity out.txt)" "$((2000 - opted_out))"
expect 0 muster eval --data json --now $now --opt-out exclude --file audiences.ndjson
gold_in=$(awk -F, '$12 == "gold" && !/general_opt_out/' sample/profiles.csv | wc -l)
same "in a file" "$(sed -n 1p out.txt)" "{\"id\":\"gold\",\"count\":$gold_in}"

# A ceiling on memory holds; sanitizers need their own memory.
if ! grep -aqE '__(asan|tsan)_init' "$muster_binary"; then
    ask json --memory-max 64M "$bought"
    same "within the ceiling" "$(count)" "$buyers"
    expect 3 muster eval --data json --now $now --memory-max 100K --file audiences.ndjson
    matches "beyond it" "$err" 'out of memory|not enough memory|Cannot allocate memory'
fi

# What is wrong is said with a place or a way on.
expect 1 muster eval --data json 'loyalty.teir = "gold"'
matches "an unknown field" "$err" '^line 1:[0-9]+ PQL-R01'
expect 1 muster eval --data json 'loyalty.points + 1'
matches "no condition" "$err" 'PQL-V03'
expect 1 muster eval --data nowhere 'true'
matches "no data" "$err" 'muster load --data nowhere'
expect 2 muster eval --data json
expect 2 muster eval 'true'
expect 2 muster eval --data json --ids --file audiences.ndjson
expect 2 muster eval --data json --now noon 'true'
expect 1 muster eval --data json --file missing.ndjson
ask json --threads 1 --sandbox prod true
expect 1 muster eval --data json --sandbox other true
matches "another sandbox holds nothing" "$err" 'no sandbox "other"'
finish
