#!/usr/bin/env bash
# An option comes from the command line, else the environment, else the configuration file.
. "$(dirname "$0")/lib.bash"

profiles() {
    sed -n 's/.*"profiles":\([0-9]*\).*/\1/p' <<<"$out"
}

cat >muster.conf <<'CONF'
# what the shop uses
profiles = 7
events=11

seed =3
format = csv
fail-fast = true
CONF

expect 0 muster sample --config muster.conf --out a
same "from the file" "$(profiles)" 7
matches "the format too" "$out" 'events\.csv'
MUSTER_CONFIG=muster.conf expect 0 muster sample --out a
same "the file named by the environment" "$(profiles)" 7
MUSTER_PROFILES=8 expect 0 muster sample --config muster.conf --out a
same "the environment wins over the file" "$(profiles)" 8
MUSTER_PROFILES=8 expect 0 muster sample --config muster.conf --profiles 9 --out a
same "the command line wins over both" "$(profiles)" 9
MUSTER_PROFILES='' expect 0 muster sample --config muster.conf --out=a
same "an empty variable is none" "$(profiles)" 7
MUSTER_MESSAGES=true expect 2 muster sample --profiles 1 --events 1 --out a --format csv
matches "flags too" "$err" '--messages'

MUSTER_PROFILES=x expect 2 muster sample --events 1 --out a
matches "a bad variable is named" "$err" 'MUSTER_PROFILES needs a whole number'
echo 'profile = 7' >bad.conf
expect 2 muster sample --config bad.conf --out a
matches "an unknown name" "$err" 'bad\.conf:1: there is no option profile '
printf 'seed = 1\nprofiles\n' >bad.conf
expect 2 muster sample --config bad.conf --out a
matches "a line without =" "$err" 'bad\.conf:2: '
printf 'seed = 1\n\nprofiles = 1e3\n' >bad.conf
expect 2 muster sample --config bad.conf --out a
matches "a bad value" "$err" 'bad\.conf:3: profiles needs a whole number .*not 1e3'
expect 2 muster sample --config missing.conf --out a
matches "a missing file" "$err" 'missing\.conf'
finish
