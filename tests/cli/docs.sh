#!/usr/bin/env bash
# Every example of the documentation is run and must print what the page says. An example is a line
# "$ command" in a ```console block, followed by its output (standard error included); "> " continues a
# command. The blocks of a page run in one shell and one folder, in order; what it leaves running is ended
# after the page. Times, sizes and random ids may differ.
# With MUSTER_GOLDEN_UPDATE=1 the pages are rewritten instead.
. "$(dirname "$0")/lib.bash"

volatile() {
    sed -E 's/"(ms|seconds|evalMs|compileMs|peakRssBytes|threads|bytes|minMs|medianMs|rate|nsPerElement|bytesPerSecond|memoryBytesPerSecond|receivedTimeMs)":[0-9.e+-]+/"\1":_/g
            s/"(xactionId|batchId)":"[0-9]+:[0-9]+:[0-9]+/"\1":"_/g
            s/\b([0-9a-f]{24}|[0-9a-f]{48}|[0-9a-f]{64})\b/_/g'
}

run_command() {
    printf '%s\n' "$1" | sed '1s/^/$ /; 2,$s/^/> /'
    eval "$1" </dev/null >"$work/printed" 2>&1
    sed '$a\' "$work/printed"
    n_commands=$((n_commands + 1))
}

# Prints a page with the real output of its commands.
run_page() {
    local line inside=false command=
    while IFS= read -r line || [ -n "$line" ]; do
        if ! $inside; then
            printf '%s\n' "$line"
            [ "$line" = '```console' ] && inside=true
            continue
        fi
        if [ -n "$command" ] && [[ $line == "> "* ]]; then
            command+=$'\n'${line#> }
            continue
        fi
        if [ -n "$command" ]; then
            run_command "$command"
            command=
        fi
        case $line in
        '$ '*) command=${line#\$ } ;;
        '```') inside=false; printf '%s\n' "$line" ;;
        esac
    done <"$1"
    echo "$n_commands" >"$work/n_commands"
}

# A command that `kill` reaches, which a shell function in the background is not; --foreground
# because otherwise timeout sends a signal twice.
mkdir "$work/bin"
printf '#!/bin/sh\nexec timeout --foreground 120 "%s" "$@"\n' "$muster_binary" >"$work/bin/muster"
chmod +x "$work/bin/muster"
PATH=$work/bin:$PATH
unset -f muster

all=0
for page in "$root"/README.md "$root"/docs/*.md; do
    grep -q '^```console$' "$page" || continue
    name=$(basename "$page" .md)
    mkdir -p "$work/$name"
    cd "$work/$name" || exit 1
    n_commands=0
    (
        trap 'kill $(jobs -p) 2>/dev/null' EXIT
        trap 'exit 1' TERM
        run_page "$page" >"$work/$name.md"
    ) &
    run=$!
    # A page that waits for what never comes is ended where it stands: it may loop.
    end=$((SECONDS + 300))
    while kill -0 "$run" 2>/dev/null; do
        [ "$SECONDS" -lt "$end" ] || { fail "$name.md did not end" "$(tail -3 "$work/$name.md")"; kill "$run"; break; }
        sleep 0.05
    done
    wait "$run"
    cd "$work" || exit 1
    all=$((all + $(<n_commands)))
    checks=$((checks + 1))
    difference=$(diff <(volatile <"$page") <(volatile <"$work/$name.md")) && continue
    if [ -n "${MUSTER_GOLDEN_UPDATE:-}" ]; then
        cp "$work/$name.md" "$page"
    else
        fail "$name.md (< the page, > what was printed)" "$difference"
    fi
done
checks=$((checks + 1))
[ "$all" -gt 0 ] || fail "no examples found"
echo "$all commands"
finish
