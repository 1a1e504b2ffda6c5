#!/usr/bin/env bash
# Loading: bad lines are reported and counted, a repeated load adds nothing, a killed one leaves nothing,
# and verify finds damage.
. "$(dirname "$0")/lib.bash"

now=2026-03-10T12:00:00Z
count() {
    muster eval --data "$1" --now $now "$2" 2>err.txt | sed -n 's/.*"count":\([0-9]*\).*/\1/p'
}
summary() {
    sed -n 's/{"read":\([0-9]*\),"loaded":\([0-9]*\),"rejected":\([0-9]*\),.*/\1 \2 \3/p' <<<"$out"
}
clean() {
    expect 0 muster verify --data "$1"
    matches "verify $1" "$out" '"problems":0'
}

# Good and bad lines together.
{
    echo '{"_id":"1","identityMap":{"Email":[{"id":"a@example.com"}]},"loyalty":{"tier":"gold"}}'
    echo '{"_id":"2","identityMap":{"Email":[{"id":"b@example.com"}]},"loyalty":{"tier":'
    echo '{"_id":"3","loyalty":{"tier":"gold"}}'
    echo '{"_id":"4","identityMap":{"Email":[{"id":"d@example.com"}]},"loyalty":{"points":"many"}}'
    printf '{"_id":"5","identityMap":{"Email":[{"id":"e@example.com"}]},"person":{"name":{"firstName":"\xc3"}}}\n'
    printf '{"_id":"6","identityMap":{"Email":[{"id":"f\0@example.com"}]}}\n'
    echo '[1,2]'
    echo '{"_id":"8","identityMap":{"Email":[{"id":"h@example.com"}]},"loyalty":{"tier":"gold"}}'
} >mixed.ndjson
expect 1 muster load --data mixed mixed.ndjson
same "read, loaded, rejected" "$(summary)" "8 2 6"
for line in 2 3 4 5 6 7; do
    matches "line $line is reported" "$err" "^mixed\.ndjson:$line: ..."
done
same "nothing else is" "$(grep -c '^mixed\.ndjson:' <<<"$err")" 6
same "the good ones are there" "$(count mixed 'loyalty.tier = "gold"')" 2
clean mixed
expect 1 muster load --data strict --fail-fast mixed.ndjson
same "fail-fast loads nothing" "$(count strict true)" 0

printf 'identity:Email,loyalty.tier,loyalty.points\na@example.com,gold,1\nb@example.com,gold\nc@example.com,gold,2,3\n"d@example.com","go""ld",4\n' >mixed.csv
expect 1 muster load --data csv mixed.csv
same "CSV with too few and too many cells" "$(summary)" "4 2 2"
matches "the short one" "$err" '^mixed\.csv:3: '
matches "the long one" "$err" '^mixed\.csv:4: '
same "quotes" "$(count csv 'loyalty.tier = "go\"ld"')" 1

# One very long line costs itself only.
{
    printf '{"_id":"1","identityMap":{"Email":[{"id":"a@example.com"}]},"person":{"name":{"firstName":"'
    head -c 100000000 /dev/zero | tr '\0' x
    printf '"}}}\n'
    echo '{"_id":"2","identityMap":{"Email":[{"id":"b@example.com"}]},"loyalty":{"tier":"gold"}}'
} >long.ndjson
expect 1 muster load --data long long.ndjson
same "a line of 100 MB" "$(summary)" "2 1 1"
matches "is reported" "$err" '^long\.ndjson:1: '
same "and the next loaded" "$(count long 'loyalty.tier = "gold"')" 1
rm long.ndjson

# Twice the same is once.
expect 0 muster sample --profiles 300 --events 6000 --until $now --out sample --messages
expect 0 muster load --data twice sample/profiles.ndjson sample/events.ndjson
same "the first time" "$(summary)" "6300 6300 0"
once=$(count twice 'xEvent.count() >= 20')
expect 0 muster load --data twice sample/events.ndjson sample/profiles.ndjson
same "people" "$(count twice true)" 300
same "events" "$(count twice 'xEvent.count() >= 20')" "$once"
clean twice
stdin_load() { muster load --data piped - <sample/profiles.ndjson; }
expect 0 stdin_load
same "from standard input" "$(count piped true)" 300

expect 0 muster sample --profiles 300 --events 6000 --until $now --out faults --faults
expect 1 muster load --data faults faults/profiles.ndjson faults/events.ndjson
same "resent events count once" "$(count faults 'xEvent.count() >= 20')" "$once"
clean faults

# kill -9 at any moment leaves the old state or the new one; the next load works.
expect 0 muster sample --profiles 4000 --events 60000 --until $now --out big
expect 0 muster load --data killed sample/profiles.ndjson
start=$(date +%s%N)
expect 0 muster load --data whole sample/profiles.ndjson big/profiles.ndjson big/events.ndjson
took_ms=$((($(date +%s%N) - start) / 1000000))
new=$(count whole true)
for share in 10 30 50 70 90 97; do
    "$muster_binary" load --data killed big/profiles.ndjson big/events.ndjson >/dev/null 2>&1 &
    process=$!
    sleep "$(awk -v ms=$took_ms -v share=$share 'BEGIN {printf "%.3f", ms * share / 100000}')"
    kill -9 $process 2>/dev/null
    wait $process 2>/dev/null
    got=$(count killed true)
    checks=$((checks + 1))
    [ "$got" = 300 ] || [ "$got" = "$new" ] || fail "killed at $share %: $got profiles"
    clean killed
done
expect 0 muster load --data killed big/profiles.ndjson big/events.ndjson
same "then everything is there" "$(count killed true)" "$new"
same "events too" "$(count killed 'xEvent.count() >= 20')" "$(count whole 'xEvent.count() >= 20')"
clean killed

# Two at a time on one folder: the second is told who holds it.
mkfifo held
exec 9<>held
"$muster_binary" load --data killed - <held >/dev/null 2>&1 9>&- &
holder=$!
for _ in $(seq 100); do # until it has the lock file open
    ls -l /proc/$holder/fd 2>/dev/null | grep -q 'killed/lock' && break
    sleep 0.1
done
sleep 0.3
expect 3 muster load --data killed sample/profiles.ndjson
matches "the holder is named" "$(<err.txt)" "$holder"
same "reading goes on meanwhile" "$(count killed true)" "$new"
kill -9 $holder
wait $holder 2>/dev/null
exec 9>&-

# Damage is found, and named.
part=$(find killed -type f -size +64k ! -name '*.db*' ! -name '*.sqlite*' | sort | head -1)
size=$(stat -c %s "$part")
printf '\125' | dd of="$part" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
printf '\252' | dd of="$part" bs=1 seek=$((size / 2 + 1)) conv=notrunc 2>/dev/null
expect 1 muster verify --data killed
matches "the file is named" "$err" "problem: .*$(basename "$part")"
expect 1 muster verify --data nowhere
expect 2 muster verify
expect 2 muster load --data x
expect 1 muster load --data x missing.ndjson
matches "a missing file" "$err" 'missing\.ndjson'
echo '{' >broken-schema.json
expect 1 muster load --data x --schema broken-schema.json mixed.ndjson
matches "a broken schema" "$err" 'broken-schema\.json'
finish
