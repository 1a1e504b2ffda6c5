#!/usr/bin/env bash
# muster load --url: files to a running server, what it rejects named by file and line.
. "$(dirname "$0")/lib.bash"

touch serve.out
"$muster_binary" serve --data data --listen 127.0.0.1:0 --log-level warning >serve.out 2>serve.err &
server=$!
for _ in $(seq 200); do
    url=http://$(sed -n 's/.*"listening":"\([^"]*\)".*/\1/p' serve.out)
    [ "$url" != http:// ] && break
    sleep 0.05
done

call() { # METHOD PATH [BODY]
    curl -sS -m 20 -X "$1" -H 'Authorization: Bearer x' -H 'x-api-key: key' \
        -H 'x-gw-ims-org-id: shop@AdobeOrg' -H 'x-sandbox-name: prod' \
        -H 'Content-Type: application/json' ${3:+-d "$3"} "$url$2"
}

event() { # ID TIMESTAMP
    printf '{"_id":"%s","timestamp":"%s","eventType":"web.webpagedetails.pageViews",' "$1" "$2"
    printf '"identityMap":{"Email":[{"id":"ada.marsh@example.com","primary":true}]}}\n'
}

seconds() {
    sed -E 's/"seconds":[0-9.]+/"seconds":_/' <<<"$1"
}

event a 2026-03-01T00:00:00Z >events.ndjson
expect 2 muster load --url "$url" --data data events.ndjson
expect 2 muster load --url "$url" --strict events.ndjson
matches "options that make no sense there are named" "$err" '--strict does not go with --url'
expect 1 muster load --url "ftp://nowhere" events.ndjson
expect 3 muster load --url "http://127.0.0.1:1" --dataset x events.ndjson
matches "a server that is not there" "$err" 'no answer from http://127.0.0.1:1'
expect 1 muster load --url "$url" --dataset Nothing events.ndjson
matches "a data set that is not there" "$err" 'no data set Nothing'

link=$(call POST /data/foundation/catalog/dataSets '{"name":"Shop events","schemaRef":{"id":"https://ns.adobe.com/xdm/context/experienceevent"},"tags":{"unifiedProfile":["enabled:true"],"unifiedIdentity":["enabled:true"]}}')
dataset=$(sed 's/.*\/\([0-9a-f]*\)".*/\1/' <<<"$link")
expect 0 muster load --url "$url" --dataset 'Shop events' events.ndjson
same "one event" "$(seconds "$out")" '{"read":1,"loaded":1,"rejected":0,"seconds":_}'
expect 1 muster load --url "$url" events.ndjson
matches "a bare record needs a data set" "$err" 'events.ndjson:1: .*--dataset'

# Good and bad lines, bare and in messages, in two files.
{
    event b 2026-03-02T00:00:00Z
    echo
    event c yesterday
    echo 'no JSON'
    event d 2026-03-03T00:00:00Z
} >mixed.ndjson
{
    printf '{"header":{"datasetId":"%s"},"body":{"xdmEntity":%s}}\n' "$dataset" "$(event e 2026-03-04T00:00:00Z)"
    printf '{"header":{"datasetId":"%s"},"body":{"xdmEntity":%s}}\n' "$dataset" "$(event f never)"
} >messages.ndjson
expect 1 muster load --url "$url" --dataset "$dataset" mixed.ndjson messages.ndjson
same "what was read" "$(seconds "$out")" '{"read":6,"loaded":3,"rejected":3,"seconds":_}'
matches "a bad time has its line" "$err" '^muster: mixed.ndjson:3: |^mixed.ndjson:3: '
matches "so has what is no JSON" "$err" 'mixed.ndjson:4: '
matches "and what is wrong within a message" "$err" 'messages.ndjson:2: '

# The same again: nothing counts twice.
expect 0 bash -c "'$muster_binary' load --url $url --dataset $dataset - <events.ndjson"
same "standard input" "$(seconds "$out")" '{"read":1,"loaded":1,"rejected":0,"seconds":_}'

# CSV goes as it is.
call POST /data/foundation/catalog/dataSets '{"name":"Plain","schemaRef":{"id":"https://ns.adobe.com/xdm/context/experienceevent"}}' >plain.json
printf '_id,timestamp,eventType\ng,2026-03-05T00:00:00Z,web\nh,whenever,web\n' >events.csv
expect 1 muster load --url "$url" --dataset Plain events.csv
same "a CSV file" "$(seconds "$out")" '{"read":2,"loaded":1,"rejected":1,"seconds":_}'
matches "what is wrong with its row" "$err" 'events.csv: '
found=$(call GET '/data/core/ups/access/entities?schema.name=_xdm.context.experienceevent&relatedSchema.name=_xdm.context.profile&relatedEntityId=ada.marsh@example.com&relatedEntityIdNS=Email')
same "all events are there once" "$(grep -o '"_id":"[a-z]"' <<<"$found" | sort -u | wc -l)" 4

kill -TERM "$server"
wait "$server"
same "the server ends well" "$?" 0
finish
