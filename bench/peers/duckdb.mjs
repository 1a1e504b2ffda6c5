// duckdb.mjs load DATABASE CSV THREADS HEAD wide|narrow PIECES: makes the tables from CSV/{profiles,events,stores,products}.csv;
// each file is read once, front to back, so that it may be a pipe. With PIECES the events are events-0.csv, events-1.csv, ...,
// each of them sorted by itself: DuckDB keeps all that it read from a pipe until the statement ends. HEAD is a small sample of
// the same kind.
// duckdb.mjs base DATABASE FILE: the tables profile and event without lists and maps, alone in a file, for its size.
// duckdb.mjs ask DATABASE NOW THREADS: reads {"name", "forms": [SQL...], "tries", "runs"} a line, tries each form, runs
// the fastest `runs` times and prints {"name", "form", "count", "ms": [...], "formMs": [...]} a line. The count is a list
// when the statement gives several.

import {renameSync, rmSync} from 'node:fs';
import {totalmem} from 'node:os';
import {createInterface} from 'node:readline';
import {DuckDBInstance} from '@duckdb/node-api';

// -------- tables --------

// Native types; texts with few values are ENUMs, which proved faster than VARCHAR everywhere.
const PROFILE_COLUMNS = {
    'identity:lumaCrmId': 'crm', 'identity:ECID': 'ecid', 'person.name.firstName': 'first_name',
    'person.name.lastName': 'last_name', 'person.birthDate': 'birth_date', 'person.gender': 'gender',
    'personalEmail.address': 'email', 'homeAddress.city': 'city', 'homeAddress.stateProvince': 'state',
    'homeAddress.postalCode': 'postal', 'homeAddress.countryCode': 'country', 'loyalty.tier': 'tier',
    'loyalty.points': 'points', 'loyalty.joinDate': 'joined', 'consents.collect.val': 'collect',
    'consents.share.val': 'share', 'consents.marketing.email.val': 'email_consent',
    'optOutConsentLevel.privacyOptOuts': 'opt_outs', '_luma.preferences.categories': 'categories',
    '_luma.rfm.frequency': 'frequency', '_luma.rfm.monetary': 'monetary', '_luma.preferences.storeId': 'store',
    '_luma.affinities': 'affinities',
};
const EVENT_COLUMNS = {
    'identity:lumaCrmId': 'crm', 'identity:ECID': 'ecid', _id: 'id', timestamp: 'timestamp', eventType: 'type',
    'web.webPageDetails.name': 'page', 'commerce.order.priceTotal': 'total', '_luma.channel': 'channel',
    productListItems: 'items',
};
const ENUMS = {
    profile: ['gender', 'city', 'state', 'country', 'tier', 'collect', 'share', 'email_consent', 'store', 'first_name'],
    event: ['type', 'page', 'channel'],
};
const ITEMS = `'[{"SKU":"VARCHAR","quantity":"INTEGER","priceTotal":"DOUBLE"}]'`;

function csv(path, names) {
    const columns = Object.values(names).map((name) => `'${name}': 'VARCHAR'`).join(', ');
    return `read_csv('${path}', columns = {${columns}}, header = true, auto_detect = false, delim = ',', quote = '"',
            escape = '"', nullstr = '')`;
}

const enumCasts = (table, isWide) => ENUMS[table].filter((name) => isWide || name !== 'store').map((name) => `${name}::${table}_${name} AS ${name}`).join(', ');

// The values of ENUMs, from a small sample of the same kind; a value beyond them stops the load.
async function createEnums(run, table, source) {
    for (const name of ENUMS[table])
        await run(`CREATE TYPE ${table}_${name} AS ENUM (SELECT DISTINCT ${name} FROM ${source}
                   WHERE ${name} IS NOT NULL ORDER BY 1)`);
}

// Narrow files lack the last columns.
function columns(names, isWide) {
    const narrow = ['store', 'affinities', 'items'];
    return Object.fromEntries(Object.entries(names).filter(([, name]) => isWide || !narrow.includes(name)));
}

async function load(run, folder, head, isWide, pieces) {
    const profiles = csv(`${folder}/profiles.csv`, columns(PROFILE_COLUMNS, isWide));
    await createEnums(run, 'profile', csv(`${head}/profiles.csv`, PROFILE_COLUMNS));
    await createEnums(run, 'event', csv(`${head}/events.csv`, EVENT_COLUMNS));
    await run(`CREATE TABLE profile AS SELECT (row_number() OVER () - 1)::UINTEGER AS person, crm, ecid, last_name,
        birth_date::DATE AS birth_date, email, postal, points::INTEGER AS points, joined::TIMESTAMP AS joined,
        from_json(opt_outs, '[{"optOutType":"VARCHAR","optOutValue":"VARCHAR"}]') AS opt_outs,
        from_json(categories, '["VARCHAR"]') AS categories, frequency::INTEGER AS frequency,
        monetary::DOUBLE AS monetary, ${enumCasts('profile', isWide)}
        ${isWide ? ', CAST(affinities::JSON AS MAP(VARCHAR, DOUBLE)) AS affinities' : ''} FROM ${profiles}`);
    const selection = (file) => `SELECT person, e.id::UUID AS id, e.timestamp::TIMESTAMPTZ::TIMESTAMP AS timestamp,
        ${enumCasts('event', isWide)}, e.total::DOUBLE AS total ${isWide ? `, [{'sku': i.SKU, 'quantity': i.quantity,
        'price': i.priceTotal} for i in from_json(e.items, ${ITEMS})] AS items` : ''}
        FROM ${csv(`${folder}/${file}.csv`, columns(EVENT_COLUMNS, isWide))} e JOIN (SELECT person, coalesce(crm, ecid) AS identity FROM profile) p
        ON p.identity = coalesce(e.crm, e.ecid) ORDER BY person, timestamp, id`;
    await run(`CREATE TABLE event AS ${selection(pieces > 0 ? 'events-0' : 'events')}`);
    for (let piece = 1; piece < pieces; piece++) await run(`INSERT INTO event ${selection(`events-${piece}`)}`);
    await run(`CREATE TYPE category AS ENUM (SELECT DISTINCT unnest(categories) FROM profile ORDER BY 1)`);
    await run(`CREATE TABLE category AS SELECT person, unnest(categories)::category AS category FROM profile`);
    if (isWide) await loadWide(run, folder);
}

async function loadWide(run, folder) {
    await run(`CREATE TYPE sku AS ENUM (SELECT DISTINCT SKU FROM read_csv('${folder}/products.csv') ORDER BY 1)`);
    await run(`CREATE TABLE item AS SELECT person, timestamp, type, total, item.sku::sku AS sku, item.quantity AS quantity,
        item.price AS price FROM (SELECT person, timestamp, type, total, unnest(items) AS item FROM event)
        ORDER BY person, timestamp`);
    await run(`CREATE TABLE affinity AS SELECT person, unnest(map_keys(affinities))::category AS category,
        unnest(map_values(affinities)) AS score FROM profile`);
    await run(`CREATE TABLE store AS SELECT storeId::profile_store AS store, name, "address.city" AS city,
        "address.countryCode" AS country FROM read_csv('${folder}/stores.csv')`);
    await run(`CREATE TABLE product AS SELECT SKU::sku AS sku, * EXCLUDE SKU FROM read_csv('${folder}/products.csv')`);
}

// -------- questions --------

const rounded = (ms) => Math.round(ms * 1000) / 1000;

async function ask(connection, now, line) {
    const {name, forms, tries, runs} = JSON.parse(line);
    let sql, count;
    const timed = async () => {
        const start = performance.now();
        const reader = await connection.runAndReadAll(sql);
        const passed = performance.now() - start;
        const row = reader.getRows()[0].map(Number);
        const found = row.length === 1 ? row[0] : row;
        if (count !== undefined && String(found) !== String(count))
            throw new Error(`${name}: forms differ, ${count} and ${found}: ${sql}`);
        count = found;
        return passed;
    };
    const texts = forms.map((form) => form.replaceAll('$now', now).replaceAll('$last', last));
    const formMs = [];
    for (sql of texts) {
        const passed = [];
        for (let tried = 0; tried < tries; tried++) passed.push(await timed());
        formMs.push(passed.length > 0 ? Math.min(...passed) : 0);
    }
    const form = formMs.indexOf(Math.min(...formMs));
    sql = texts[form];
    const ms = [];
    for (let run = 0; run < runs; run++) ms.push(rounded(await timed()));
    console.log(JSON.stringify({name, form, count, ms, formMs: formMs.map(rounded)}));
}

let last;
const [mode, database, source, threads, head, width, pieces] = process.argv.slice(2);
const options = {threads: mode === 'ask' ? threads : threads ?? '2'};
if (mode === 'load') {
    rmSync(`${database}.part`, {force: true});
    rmSync(`${database}.part.wal`, {force: true});
    const instance = await DuckDBInstance.create(`${database}.part`, options);
    const connection = await instance.connect();
    await connection.run(`SET TimeZone = 'UTC'`);
    await connection.run(`SET memory_limit = '${Math.floor(totalmem() / 2 ** 21)}MiB'`);
    const timed = async (sql) => {
        const start = performance.now();
        await connection.run(sql);
        console.error(`duckdb: ${sql.slice(0, 40).replaceAll(/\s+/g, ' ')} ${Math.round(performance.now() - start)} ms`);
    };
    await load(timed, source, head, width === 'wide', Number(pieces));
    await connection.run('CHECKPOINT');
    connection.closeSync();
    instance.closeSync();
    renameSync(`${database}.part`, database);
} else if (mode === 'base') {
    rmSync(source, {force: true});
    const instance = await DuckDBInstance.create(database, options);
    const connection = await instance.connect();
    await connection.run(`ATTACH '${source}' AS base`);
    for (const table of ['profile', 'event'])
        for (const name of ENUMS[table])
            await connection.run(`CREATE TYPE base.${table}_${name} AS ENUM (SELECT unnest(enum_range(NULL::${table}_${name})))`);
    await connection.run(`CREATE TABLE base.profile AS SELECT * EXCLUDE (affinities, store) FROM profile`);
    await connection.run(`CREATE TABLE base.event AS SELECT * EXCLUDE items FROM event`);
    await connection.run('CHECKPOINT base');
    connection.closeSync();
    instance.closeSync();
} else {
    const instance = await DuckDBInstance.create(database, {...options, access_mode: 'READ_ONLY'});
    const connection = await instance.connect();
    await connection.run(`SET TimeZone = 'UTC'`);
    const version = (await connection.runAndReadAll('SELECT version()')).getRows()[0][0];
    console.log(JSON.stringify({peer: 'DuckDB', version}));
    last = (await connection.runAndReadAll('SELECT max(person) FROM profile')).getRows()[0][0];
    const now = `TIMESTAMP '${source.replace('T', ' ').replace('Z', '')}'`;
    for await (const line of createInterface({input: process.stdin})) {
        try {
            await ask(connection, now, line);
        } catch (error) {
            console.log(JSON.stringify({name: JSON.parse(line).name, error: error.message}));
        }
    }
}
