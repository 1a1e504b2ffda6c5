#!/usr/bin/env bash
# Sample data: the same options give the same bytes, as many lines as asked for, in the mix documented.
. "$(dirname "$0")/lib.bash"

until=2026-03-10T12:00:00Z
make_sample() {
    expect 0 muster sample --until $until "$@"
}

for format in ndjson csv; do
    make_sample --profiles 300 --events 9000 --seed 5 --out one --format $format --threads 1
    make_sample --profiles 300 --events 9000 --seed 5 --out two --format $format --threads 4
    for file in profiles events; do
        checks=$((checks + 1))
        cmp -s one/$file.$format two/$file.$format || fail "$file.$format differs by threads"
    done
    make_sample --profiles 300 --events 9000 --seed 6 --out two --format $format
    checks=$((checks + 1))
    cmp -s one/events.$format two/events.$format && fail "another seed, the same events"
done

same "profiles, ndjson" "$(wc -l <one/profiles.ndjson)" 300
same "events, ndjson" "$(wc -l <one/events.ndjson)" 9000
same "profiles, csv" "$(wc -l <one/profiles.csv)" 301
same "events, csv" "$(wc -l <one/events.csv)" 9001
same "every CSV event has 8 cells" "$(awk -F, 'NF != 8' one/events.csv | wc -l)" 0
make_sample --profiles 300 --events 9000 --seed 5 --out wide --format csv --wide
same "wide data are the others and more" "$(cut -d, -f1-8 wide/events.csv | tail -n +2 | cksum)" \
    "$(tail -n +2 one/events.csv | cksum)"
same "wide profiles too" "$(sed 's/,ST-[0-9]*,"{.*}"$//; s/,,$//' wide/profiles.csv | tail -n +2 | cksum)" \
    "$(tail -n +2 one/profiles.csv | cksum)"
expect 0 muster load --data shop --schema wide/schema.json --strict --class event wide/events.csv
expect 0 muster load --data shop --class stores wide/stores.csv
expect 0 muster load --data shop --class products wide/products.csv
expect 0 muster load --data shop --strict --class profile wide/profiles.csv
expect 0 muster eval --data shop 'xEvent[productListItems[SKU.category = "Gear" and quantity > 1]]'
matches "some match" "$out" '"count":[1-9]'
expect 0 muster eval --data shop '_luma.preferences.storeId.address.city = "Paris" and _luma.affinities.yoga > 0.5'
matches "some match" "$out" '"count":[1-9]'
expect 2 muster sample --profiles 3 --events 3 --out x --wide

same "ids are distinct" "$(cut -d, -f3 one/events.csv | sort | uniq -d | wc -l)" 0
same "exactly one identity" \
    "$(awk -F, 'NR > 1 && ($1 == "") == ($2 == "")' one/events.csv | wc -l)" 0
same "nothing after --until" \
    "$(awk -F, 'NR > 1 && $4 >= "2026-03-10T12:00:00.000Z"' one/events.csv | wc -l)" 0
same "nothing before the 30 days" \
    "$(awk -F, 'NR > 1 && $4 < "2026-02-08T12:00:00.000Z"' one/events.csv | wc -l)" 0
events='s/.*"_id":"\([^"]*\)","timestamp":"\([^"]*\)","eventType":"\([^"]*\)".*/\1 \2 \3/'
same "both forms hold the same events" "$(sed "$events" one/events.ndjson | sort | cksum)" \
    "$(awk -F, 'NR > 1 {print $3, $4, $5}' one/events.csv | sort | cksum)"

share() {
    awk -F, -v type="$1" 'NR > 1 {all++; n += $5 == type} END {printf "%d", 1000 * n / all}' \
        one/events.csv
}
for expected in web.webpagedetails.pageViews:590:650 commerce.productViews:180:220 \
                commerce.productListAdds:40:60 commerce.purchases:8:25; do
    IFS=: read -r type least most <<<"$expected"
    checks=$((checks + 1))
    got=$(share "$type")
    { [ "$got" -ge "$least" ] && [ "$got" -le "$most" ]; } || fail "$type: $got of 1000 events"
done

# One kind alone, to a file or to standard output, is the same bytes.
make_sample --profiles 300 --events 9000 --seed 5 --out alone --format csv --only profiles
checks=$((checks + 2))
cmp -s one/profiles.csv alone/profiles.csv || fail "--only profiles writes other profiles"
[ ! -e alone/events.csv ] || fail "--only profiles writes events"
make_sample --profiles 300 --events 9000 --seed 5 --out - --format csv --only events
cp out.txt streamed.csv
same "all of them" "$(wc -l <one/events.csv)" 9001
make_sample --profiles 300 --events 9000 --seed 5 --out one --format csv
cmp -s one/events.csv streamed.csv || fail "--out - writes other events"
expect 2 muster sample --profiles 3 --events 3 --out -
expect 2 muster sample --profiles 3 --events 3 --out - --only events --audiences 3

make_sample --profiles 50 --events 3000 --out messages --messages --faults
matches "messages" "$(head -1 messages/events.ndjson)" \
    '^\{"header":\{"schemaRef".*"body":\{"xdmMeta".*"xdmEntity":\{"_id"'
n=$(wc -l <messages/events.ndjson)
checks=$((checks + 1))
[ "$n" -gt 3000 ] || fail "faults add lines: $n"
if script --version >/dev/null 2>&1; then
    line="'$muster_binary' sample --profiles 20000 --events 1500000 --until $until --out many --format csv --threads 1"
    shown=$(TERM=xterm script -qec "$line" /dev/null </dev/null | tr '\r' '\n')
    matches "a bar on a terminal" "$shown" 'sample \[#+\.*\] +[0-9]+ %  [0-9.]+ [kM] events/s  [0-9]+:[0-9]+ left'
    shown=$(TERM=dumb script -qec "$line" /dev/null </dev/null)
    same "none where it cannot be drawn" "$(grep -c 'left' <<<"$shown")" 0
fi
make_sample --profiles 3 --events 0 --out none
same "no events are possible" "$(wc -c <none/events.ndjson)" 0
finish
