// rows.mjs FILE...: prints a list with the types of the columns and the rows of each file, as DuckDB
// reads them; rows in the order of their text. The columns of lines of JSON are read by the types of
// the first file that has types.

import {DuckDBInstance} from '@duckdb/node-api';

const files = process.argv.slice(2);
const instance = await DuckDBInstance.create(':memory:');
const connection = await instance.connect();
await connection.run(`SET TimeZone = 'UTC'`);
const quoted = (text) => `'${text.replaceAll("'", "''")}'`;

async function query(sql) {
    return (await connection.runAndReadAll(sql)).getRowObjectsJson();
}

async function typesOf(source) {
    const columns = await query(`DESCRIBE SELECT * FROM ${source}`);
    return Object.fromEntries(columns.map((column) => [column.column_name, column.column_type]));
}

const typed = files.find((file) => file.endsWith('.parquet'));
const types = typed && (await typesOf(`read_parquet(${quoted(typed)})`));

function sourceOf(file) {
    if (file.endsWith('.parquet')) return `read_parquet(${quoted(file)})`;
    if (file.endsWith('.csv')) return `read_csv(${quoted(file)}, header = true, all_varchar = true, allow_quoted_nulls = false)`;
    if (!types) return `read_json(${quoted(file)}, format = 'newline_delimited')`;
    const columns = Object.entries(types).map(([name, type]) => `${quoted(name)}: ${quoted(type)}`);
    return `read_json(${quoted(file)}, format = 'newline_delimited', columns = {${columns.join(', ')}})`;
}

const out = [];
for (const file of files) {
    const source = sourceOf(file);
    const rows = await query(`SELECT to_json(t)::VARCHAR AS row FROM ${source} AS t`);
    const texts = rows.map((row) => row.row).sort();
    out.push({types: await typesOf(source), rows: texts.map((text) => JSON.parse(text))});
}
console.log(JSON.stringify(out));
