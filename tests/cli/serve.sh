#!/usr/bin/env bash
# A server starts, says where it listens, answers, keeps what it accepted, and ends on a signal.
. "$(dirname "$0")/lib.bash"

start_server() { # options of muster serve; sets $server and $address
    : >serve.out
    "$muster_binary" serve --data data --listen 127.0.0.1:0 "$@" >serve.out 2>serve.err &
    server=$!
    for _ in $(seq 200); do
        address=$(sed -n 's/.*"listening":"\([^"]*\)".*/\1/p' serve.out)
        [ -n "$address" ] && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    fail "the server did not start" "$(<serve.err)"
    exit 1
}

stop_server() { # SIGNAL; sets $status
    kill -"$1" "$server"
    wait "$server"
    status=$?
}

call() { # METHOD PATH [BODY]
    curl -sS -m 20 -X "$1" -H 'Authorization: Bearer x' -H 'x-api-key: key' \
        -H 'x-gw-ims-org-id: shop@AdobeOrg' -H 'x-sandbox-name: prod' \
        -H 'Content-Type: application/json' ${3:+-d "$3"} "http://$address$2"
}

expect 2 muster serve
matches "it says what is missing" "$err" '--data DIR is needed'
expect 2 muster serve --data data --listen 0.0.0.0:0
matches "it says what to set" "$err" '--auth static'
expect 2 muster serve --data data --auth static
matches "who may come in" "$err" '--clients FILE'
expect 2 muster serve --data data --certificate x.pem
expect 1 muster serve --data data --listen 127.0.0.1:0 --auth static --clients nowhere.json
expect 1 muster serve --data data --listen 127.0.0.1:0 --settings segment_jobs.max_waiting=0
matches "a setting out of bounds" "$err" 'segment_jobs\.max_waiting takes a number from 1 to'
MUSTER_SETTINGS=colour=red expect 1 muster serve --data data --listen 127.0.0.1:0
matches "an unknown setting" "$err" 'there is no setting "colour"'
same "nothing listens after an error" "$out" ''
expect 0 muster serve --help
matches "settings are listed" "$out" 'guardrails\.max_audiences'
matches "with their defaults" "$out" '(default 10)'

start_server
matches "it is ready" "$(call GET /ready)" '"ready"'
matches "a new folder has a merge policy" "$(call GET /data/core/ups/config/mergePolicies)" 'Default Timebased'
matches "an unknown path" "$(call GET /data/core/ups/nothing)" '404'
expect 3 muster serve --data data --listen 127.0.0.1:0
matches "one process writes a folder" "$err" 'is being written by process'
made=$(call POST /data/core/ups/config/mergePolicies \
    '{"name":"Stores first","schema":{"name":"_xdm.context.profile"},"identityGraph":{"type":"pdg"},"attributeMerge":{"type":"timestampOrdered"}}')
id=$(sed -n 's/.*"id":"\([^"]*\)".*/\1/p' <<<"$made")
stop_server TERM
same "a signal ends it in order" "$status" 0
start_server --now 2026-03-10T12:00:00Z
matches "what was accepted is kept" "$(call GET "/data/core/ups/config/mergePolicies/$id")" 'Stores first'
stop_server KILL
start_server
matches "a kill loses nothing either" "$(call GET "/data/core/ups/config/mergePolicies/$id")" 'Stores first'
stop_server INT
same "so does Ctrl-C" "$status" 0
expect 0 muster verify --data data

# A load would know nothing of the log.
echo '{"identityMap":{"Email":[{"id":"ada.marsh@example.com"}]}}' >people.ndjson
expect 1 muster load --data data people.ndjson
matches "it says what to do instead" "$err" 'muster serve and load with --url'

finish
