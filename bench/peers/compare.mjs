// compare.mjs MUSTER DATA SAMPLE NOW THREADS: asks muster and DuckDB the same questions, checks that the
// counts agree, and prints both times. One JSON object a question on standard output.

import {execFileSync} from 'node:child_process';
import {writeFileSync} from 'node:fs';
import {DuckDBInstance} from '@duckdb/node-api';
import {many, questions} from './questions.mjs';

const [muster, data, sample, now, threads] = process.argv.slice(2);
const RUNS = 5;
const median = (times) => [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)];
const rounded = (ms) => Math.round(ms * 100) / 100;

const instance = await DuckDBInstance.create(':memory:', {threads});
const connection = await instance.connect();

async function createTables() {
    const person = `coalesce("identity:lumaCrmId", "identity:ECID") AS person`;
    const text = `header = true, all_varchar = true`;
    await connection.run(`SET TimeZone = 'UTC'`);
    await connection.run(`CREATE TABLE profile AS SELECT ${person}, * FROM
        read_csv('${sample}/profiles.csv', ${text}) ORDER BY person`);
    await connection.run(`CREATE TABLE event AS SELECT ${person}, * EXCLUDE ("timestamp", "commerce.order.priceTotal"),
        CAST("timestamp" AS TIMESTAMPTZ)::TIMESTAMP AS "timestamp",
        CAST("commerce.order.priceTotal" AS DOUBLE) AS "commerce.order.priceTotal"
        FROM read_csv('${sample}/events.csv', ${text}) ORDER BY person, "timestamp"`);
}

function duckdbCount(sql) {
    const text = sql.replaceAll('$now', `TIMESTAMP '${now.replace('T', ' ').replace('Z', '')}'`);
    return connection.runAndReadAll(text).then((reader) => Number(reader.getRows()[0][0]));
}

async function askDuckdb(sqls) {
    const counts = [], times = [];
    for (let run = 0; run <= RUNS; run++) {
        const start = performance.now();
        for (const [i, sql] of sqls.entries()) counts[i] = await duckdbCount(sql);
        if (run > 0) times.push(performance.now() - start);
    }
    return {counts, times};
}

function musterLines(args) {
    const out = execFileSync(muster, ['eval', '--data', data, '--now', now, '--threads', threads, ...args],
                             {encoding: 'utf8', maxBuffer: 1 << 28});
    return out.trim().split('\n').map((line) => JSON.parse(line));
}

// What muster itself measures: from the bound rules to the counts, in one process, like DuckDB's.
function askMuster(rules) {
    const file = `${data}.audiences.ndjson`;
    writeFileSync(file, rules.map((pql, i) => JSON.stringify({id: `q${i}`, expression: pql})).join('\n'));
    const lines = musterLines(['--runs', RUNS + 1, '--file', file]);
    const summary = lines.pop();
    return {counts: lines.map((line) => line.count ?? line.error), times: summary.runsMs.slice(1)};
}

let differences = 0;
async function compare(name, rules, sqls) {
    const ours = askMuster(rules);
    const theirs = await askDuckdb(sqls);
    const agree = JSON.stringify(ours.counts) === JSON.stringify(theirs.counts);
    if (!agree) {
        differences++;
        const i = ours.counts.findIndex((count, at) => count !== theirs.counts[at]);
        console.error(`bench-peers: ${name}: muster ${ours.counts[i]}, DuckDB ${theirs.counts[i]} for ${rules[i]}`);
    }
    console.log(JSON.stringify({
        question: name, count: ours.counts.length === 1 ? ours.counts[0] : undefined, agree,
        musterMinMs: rounded(Math.min(...ours.times)), musterMedianMs: rounded(median(ours.times)),
        duckdbMinMs: rounded(Math.min(...theirs.times)), duckdbMedianMs: rounded(median(theirs.times)),
        ratio: rounded(median(theirs.times) / median(ours.times)),
    }));
}

await createTables();
for (const question of questions) await compare(question.name, [question.pql], [question.sql]);
await compare(`${many.length} audiences together`, many.map((q) => q.pql), many.map((q) => q.sql));
console.error(differences === 0 ? 'bench-peers: all counts agree' : `bench-peers: ${differences} questions differ`);
process.exit(differences === 0 ? 0 : 1);
