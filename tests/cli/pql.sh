#!/usr/bin/env bash
# muster pql without data: check, json, text, canon, one rule or a line at a time, and plan.
. "$(dirname "$0")/lib.bash"

expect 0 muster pql check 'loyalty.tier = "gold"'
same "valid: nothing is printed" "$out$err" ""
expect 1 muster pql check 'a = = b'
matches "place and code first" "$(head -1 <<<"$out")" '^line 1:5 PQL-S01 '
matches "then the text" "$out" 'a = = b'
matches "and a caret under the place" "$out" '^ *\^'
expect 1 muster pql check 'person.age + 1'
matches "not a condition" "$out" 'PQL-V03'
expect 1 muster pql check 'a.foo() = 1 and b.bar() = 2'
same "all semantic errors" "$(grep -c '^line 1:[0-9]* PQL-R04' <<<"$out")" 2
expect 1 muster pql check ''
matches "an empty rule" "$out" '^line 1:1 PQL-S01'
expect 0 muster pql check -- '-a > 1'
expect 2 muster pql check a b
expect 2 muster pql
expect 2 muster pql cheque a
matches "an unknown verb" "$err" 'cheque'

printf 'a = 1\n\na = \nxEvent.exists(eventType = "x")\r\n"\xff" = a\n(a = 1' >rules.txt
lines() { muster pql "$@" - <rules.txt; }
expect 1 lines check
same "a line for each line" "$(wc -l <<<"$out")" 6
same "the good ones" "$(grep -n '^ok$' <<<"$out" | cut -d: -f1 | tr '\n' ' ')" "1 4 "
matches "a bad one" "$(sed -n 6p <<<"$out")" '^line 1:[0-9]+ PQL-S02'
expect 1 lines canon
same "canon: a line for each line" "$(wc -l <out.txt)" 6
matches "and the reason elsewhere" "$err" 'input line 3: line 1:[0-9]+ PQL-'

expect 0 muster pql json 'a = 1 and b in ["x", "y"]'
tree=$out
matches "the tree" "$tree" '^\{.*"nodeType":"fnApply".*\}$'
expect 0 muster pql text "$tree"
same "and back" "$out" 'a = 1 and b in ["x", "y"]'
expect 1 muster pql text '{"nodeType":"nothing"}'
matches "an unknown node" "$err" 'PQL-J02'
expect 1 muster pql text 'a = 1'
expect 0 muster pql canon 'a=1 AND (b = 2)'
same "canonical text" "$out" 'a = 1 and b = 2'
expect 0 muster pql check "$tree"

# Any bytes get an answer, at any size and depth.
head -c 3000 /dev/urandom | tr -d '\0\n' >noise.txt
noise() { muster pql check - <noise.txt; }
expect 1 noise
deep=$(printf '(%.0s' $(seq 5000))
expect 1 muster pql check "$deep"
matches "depth" "$out" '^line 1:[0-9]+ PQL-'
long() { { printf 'a = "'; head -c 3000000 /dev/zero | tr '\0' x; printf '"\nb = 1\n'; } | muster pql check -; }
expect 1 long
same "a line beyond the limit, and the next" "$(wc -l <out.txt) $(tail -1 out.txt)" "2 ok"

expect 0 muster pql plan 'loyalty.tier = "gold"'
checks=$((checks + 1))
[ -n "$out" ] || fail "an empty plan"
two() { printf '%s\n' 'loyalty.tier = "gold"' 'loyalty.tier = "gold" and person.gender = "male"' | muster pql plan -; }
expect 0 two
same "what two rules share is planned once" "$(grep -c '"gold"' <<<"$out")" 1
expect 1 muster pql plan 'loyalty.teir = "gold"'
matches "the built-in schema is named" "$err" 'built-in schema'
finish
