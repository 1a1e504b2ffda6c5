#!/usr/bin/env bash
# Wrong command lines end with status 2 and say what to do; help goes to standard output.
. "$(dirname "$0")/lib.bash"

expect 2 muster
matches "no command names the help" "$err" 'muster --help'
expect 2 muster fly
matches "an unknown command is named" "$err" 'no command fly'
same "nothing on stdout" "$out" ""

expect 0 muster --version
matches "version" "$out" '^muster [0-9]+\.[0-9]+\.[0-9]+$'
expect 0 muster --help
help=$out
commands=$(sed -n '/^Commands:/,/^$/p' <<<"$help" | sed -n 's/^  \([a-z]*\) .*/\1/p')
[ -n "$commands" ] || fail "no commands in the help" "$help"

for command in $commands; do
    expect 0 muster "$command" --help
    matches "$command --help shows its usage" "$out" "^  muster $command"
    matches "$command --help shows examples" "$out" '^  \$ muster '
    long=$(awk 'length > 100 && !/^  [$#]/' <<<"$out")
    same "$command --help fits a terminal" "$long" ""
    text=$out
    expect 0 muster help "$command"
    same "muster help $command is the same" "$out" "$text"
    expect 0 muster help --man "$command"
    matches "$command has a man page" "$out" '^\.TH MUSTER'
    expect 2 muster "$command" --no-such-option
    matches "an unknown option is named" "$err" "no option --no-such-option"
    matches "and the help is pointed to" "$err" "muster $command --help"
done
expect 0 muster help --man
matches "the program has a man page" "$out" '^\.TH MUSTER 1'

expect 2 muster sample --profiles
matches "an option without its value" "$err" '--profiles needs a value'
expect 2 muster sample --profiles many --events 1 --out x
matches "a number that is none" "$err" '--profiles needs a whole number from 1 .*not many'
expect 2 muster sample --profiles 1 --events 1 --out x --format xml
matches "a choice that is none" "$err" 'one of ndjson\|csv, not xml'
expect 2 muster sample --profiles 1 --events 1 --out x --until yesterday
matches "a time that is none" "$err" 'RFC 3339'
expect 2 muster sample --profiles 1 --events 1 --out x --memory-max lots
matches "bytes that are none" "$err" 'number of bytes'
expect 2 muster sample --profiles 1 --events 1
matches "what is missing is named" "$err" '--out'

# A full disk on standard output is a failure of the machine, not silence.
if [ -w /dev/full ]; then
    timeout 20 "$muster_binary" --help >/dev/full 2>err.txt
    same "results that cannot be written" "$?" 3
fi
finish
