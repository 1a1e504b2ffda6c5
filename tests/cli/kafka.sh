#!/usr/bin/env bash
# What `serve` is told of Kafka, and what is wrong with it.
. "$(dirname "$0")/lib.bash"

expect 1 muster serve --data a --listen 127.0.0.1:0 --kafka-brokers 127.0.0.1:1
matches "brokers without topics" "$err" '--kafka-brokers and --kafka-topics go together'
expect 1 muster serve --data a --listen 127.0.0.1:0 --kafka-topics shop=inlet
matches "topics without brokers" "$err" '--kafka-brokers and --kafka-topics go together'
for topics in shop shop= =inlet 'shop=inlet,other'; do
    expect 1 muster serve --data a --listen 127.0.0.1:0 --kafka-brokers 127.0.0.1:1 \
        --kafka-topics "$topics"
    matches "a topic and its inlet" "$err" '--kafka-topics wants NAME=VALUE,NAME=VALUE'
done
expect 1 muster serve --data a --listen 127.0.0.1:0 --kafka-brokers 127.0.0.1:1 \
    --kafka-topics shop=inlet --kafka-settings no.such=1
matches "the library's own words" "$err" 'Kafka setting no\.such: '
finish
