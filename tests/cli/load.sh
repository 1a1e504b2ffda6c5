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
reason() { matches "why $1:$2" "$err" "^$1:$2: $3"; }
reason mixed.ndjson 2 'a JSON array or object is not closed \(column [0-9]+\)$'
reason mixed.ndjson 3 'the record has no identity$'
reason mixed.ndjson 4 'loyalty\.points: expected double, found string$'
reason mixed.ndjson 5 'the JSON text is not valid UTF-8$'
reason mixed.ndjson 6 'NUL byte at column 44$'
reason mixed.ndjson 7 'the line is not a JSON object$'
same "the good ones are there" "$(count mixed 'loyalty.tier = "gold"')" 2
clean mixed
expect 1 muster load --data strict --fail-fast mixed.ndjson
same "fail-fast loads nothing" "$(count strict true)" 0

{
    printf 'identity:Email,loyalty.tier,loyalty.points\na@example.com,gold,1\nb@example.com,gold\n'
    printf 'c@example.com,gold,2,3\n"d@example.com","go""ld",4\ne@example.com,\0gold,5\n'
    printf 'f@example.com,\xe2\x82,6\ng@example.com,gold,many\n"h@example.com,gold,8\ni@example.com,gold,9\n"'
    head -c 100000000 /dev/zero | tr '\0' x
    printf '"\nj@example.com,gold,10\n'
} >mixed.csv
expect 1 muster load --data csv mixed.csv
same "CSV, good and bad" "$(summary)" "11 4 7"
reason mixed.csv 3 'the row has 2 cells, the header 3$'
reason mixed.csv 4 'the row has 4 cells, the header 3$'
reason mixed.csv 6 'NUL byte at column 15$'
reason mixed.csv 7 'the row is not valid UTF-8$'
reason mixed.csv 8 'loyalty\.points: expected double, found text of another form$'
reason mixed.csv 9 'a quoted cell is not closed properly$'
reason mixed.csv 11 'line longer than 64 MiB$'
same "the good rows are there" "$(count csv 'loyalty.tier = "gold"')" 3
clean csv
rm mixed.csv
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
reason long.ndjson 1 'line longer than 64 MiB$'
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

# An integer that a load inferred becomes a double in a later one.
person() { echo "{\"identityMap\":{\"Email\":[{\"id\":\"$1@example.com\"}]},\"score\":$2}"; }
{ person a 5 && person b 6; } >ints.ndjson
{ person b 6.5 && person c 7 && person d '"8"'; } >doubles.ndjson
expect 0 muster load --data widened ints.ndjson
expect 1 muster load --data widened doubles.ndjson
same "doubles after integers" "$(summary)" "3 2 1"
reason doubles.ndjson 3 'score: expected (integer|double), found string$'
same "all are doubles" "$(count widened 'score.toString() in ["5.0", "6.5", "7.0"]')" 3
same "in sums too" "$(count widened 'score + 0.5 in [5.5, 7, 7.5]')" 3
expect 0 muster eval --data widened --explain Email:a@example.com 'score.toString() = "5.0"'
matches "and explained" "$out" '^\{"identity":"Email:a@example\.com","member":true,.*"value":5\.0'
clean widened

# kill -9 at any moment leaves the old state or the new one; the next load works. The first half of the kills
# comes at a time, the other once so many bytes of new parts are there.
expect 0 muster load --data before sample/profiles.ndjson
bytes() { du -sb "$1" 2>/dev/null | cut -f1; }
kill_at() { # FOLDER SHARE FILES...
    local folder=$1 share=$2 process enough
    shift 2
    "$muster_binary" load --data "$folder" "$@" >/dev/null 2>&1 &
    process=$!
    if [ "$share" -lt 70 ]; then
        sleep "$(awk -v ms=$took_ms -v share="$share" 'BEGIN {printf "%.3f", ms * share / 100000}')"
    else
        enough=$(($(bytes before) + ($(bytes whole) - $(bytes before)) * (share - 70) / 30))
        while kill -0 $process 2>/dev/null && [ "$(bytes "$folder")" -lt $enough ]; do sleep 0.01; done
    fi
    kill -9 $process 2>/dev/null
    wait $process 2>/dev/null
}
for kind in messages csv; do
    files=(big/profiles.ndjson big/events.ndjson)
    [ $kind = csv ] && files=(big/profiles.csv big/events.csv)
    arguments=(--messages)
    [ $kind = csv ] && arguments=(--format csv)
    rm -rf big whole killed
    expect 0 muster sample --profiles 4000 --events 60000 --until $now --out big "${arguments[@]}"
    cp -r before killed
    cp -r before whole
    start=$(date +%s%N)
    expect 0 muster load --data whole "${files[@]}"
    took_ms=$((($(date +%s%N) - start) / 1000000))
    new=$(count whole true)
    for share in 10 40 65 70 80 95; do
        kill_at killed $share "${files[@]}"
        got=$(count killed true)
        checks=$((checks + 1))
        [ "$got" = 300 ] || [ "$got" = "$new" ] || fail "$kind, killed at $share %: $got profiles"
        clean killed
    done
    expect 0 muster load --data killed "${files[@]}"
    same "then everything is there" "$(count killed true)" "$new"
    same "events too" "$(count killed 'xEvent.count() >= 20')" "$(count whole 'xEvent.count() >= 20')"
    clean killed
    same "and no file more" "$(find killed -type f | wc -l)" "$(find whole -type f | wc -l)"
done

# From pipes, by name too, as from the files.
mkfifo profiles.pipe events.pipe
cat sample/profiles.ndjson >profiles.pipe &
cat sample/events.ndjson >events.pipe &
expect 0 muster load --data piped --memory-max 64M profiles.pipe events.pipe
wait
expect 0 muster load --data filed sample/profiles.ndjson sample/events.ndjson
same "all that the pipes held" "$(count piped true)" "$(count filed true)"
same "and their events" "$(count piped 'xEvent.count() >= 20')" "$(count filed 'xEvent.count() >= 20')"

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
