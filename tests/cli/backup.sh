#!/usr/bin/env bash
# A copy of a data folder opens and answers as the folder did, also when a load was writing it.
. "$(dirname "$0")/lib.bash"

count() {
    muster eval --data "$1" --now 2026-03-10T12:00:00Z "$2" | sed -E 's/.*"count":([0-9]+).*/\1/'
}

expect 0 muster sample --profiles 500 --events 5000 --until 2026-03-10T12:00:00Z --out sample
expect 0 muster load --data shop sample/profiles.ndjson
expect 0 muster backup --data shop --to copy
matches "it says what it copied" "$out" '^\{"to":"copy","parts":[1-9][0-9]*,"logSegments":0,"bytes":[0-9]+,'
expect 0 muster verify --data copy
matches "the copy is sound" "$out" '"problems":0'
same "it holds the profiles" "$(count copy true)" "$(count shop true)"
expect 0 muster load --data copy sample/events.ndjson
same "it can be written" "$(count copy 'xEvent.count() > 0')" "$(count copy 'xEvent.count() >= 1')"
same "which leaves the other as it was" "$(count shop 'xEvent.count() > 0')" 0

# Beside a load that does not end.
mkfifo held
exec 9<>held
"$muster_binary" load --data shop - <held >/dev/null 2>&1 9>&- &
holder=$!
for _ in $(seq 100); do
    ls -l /proc/$holder/fd 2>/dev/null | grep -q 'shop/lock' && break
    sleep 0.1
done
expect 0 muster backup --data shop --to beside
expect 0 muster verify --data beside
same "a copy beside a load" "$(count beside true)" "$(count shop true)"
kill -9 $holder
wait $holder 2>/dev/null
exec 9>&-
same "without the lock" "$(ls beside)" "$(printf 'catalog.db\nlog\nparts')"

expect 1 muster backup --data shop --to copy
matches "a target that holds something" "$err" 'copy is not empty'
expect 1 muster backup --data nowhere --to new
matches "no data folder" "$err" 'nowhere holds no data of muster'
[ ! -e new ] || fail "nothing is made then"
expect 2 muster backup --data shop
matches "a missing option" "$err" '--to DIR is needed'
expect 2 muster backup --to new
finish
