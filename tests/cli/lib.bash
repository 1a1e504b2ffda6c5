# lib.bash -- for the scripts beside it: `muster` is the binary, each test works in its own folder.
# Every command is bounded, so that a hang is a failure.

set -uo pipefail
muster_binary=$(realpath "$1")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
for variable in $(compgen -e MUSTER_); do
    case $variable in MUSTER_QUICK | MUSTER_GOLDEN_UPDATE) ;; *) unset "$variable" ;; esac
done
checks=0
failures=0

# In a subshell `muster serve` hands SIGTERM on, so that $! can be told to stop.
muster() {
    if [ "${1:-}" = serve ] && [ "$BASHPID" != "$$" ]; then
        timeout "${seconds_max:-120}" "$muster_binary" "$@" &
        local child=$!
        trap 'kill "$child"' TERM
        until wait "$child" || ! kill -0 "$child" 2>/dev/null; do :; done
        wait "$child"
        return
    fi
    timeout "${seconds_max:-120}" "$muster_binary" "$@"
}

fail() {
    failures=$((failures + 1))
    echo "FAILED: $1" >&2
    shift
    printf '%s\n' "$@" | sed 's/^/    /' | head -40 >&2
}

# expect STATUS COMMAND...: runs it, keeps what it printed in $out and $err.
expect() {
    local wanted=$1 status
    shift
    checks=$((checks + 1))
    "$@" >out.txt 2>err.txt </dev/null
    status=$?
    out=$(<out.txt)
    err=$(<err.txt)
    [ "$status" -eq "$wanted" ] ||
        fail "status $status, not $wanted: $*" "stdout: $(head -c 1000 out.txt)" \
            "stderr: $(head -c 1000 err.txt)"
}

# same WHAT GOT WANTED
same() {
    checks=$((checks + 1))
    [ "$2" = "$3" ] || fail "$1" "got:    $2" "wanted: $3"
}

# matches WHAT TEXT PATTERN (an extended regular expression)
matches() {
    checks=$((checks + 1))
    grep -Eq -- "$3" <<<"$2" || fail "$1: nothing matches $3 in" "$2"
}

finish() {
    echo "$checks checks, $failures failed"
    [ "$failures" -eq 0 ] && [ "$checks" -gt 0 ]
    exit
}
