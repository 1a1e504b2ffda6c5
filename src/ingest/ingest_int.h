/* ingest_int.h -- what the files of ingest/ share. README.md draws how they work together. */
#ifndef MU_INGEST_INGEST_INT_H
#define MU_INGEST_INGEST_INT_H

#include "identity/identity.h"
#include "ingest/csv.h"
#include "ingest/ingest.h"
#include "profile/profile.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/uuid.h"

#include <pthread.h>

/* A line (or a CSV row with line breaks in its cells) has at most so many bytes. */
#define MU_LINE_MAX ((size_t)64 << 20)

/* Values nest at most so deep: objects, lists and maps together. */
#define MU_RECORD_DEPTH_MAX 64u

/* A class has at most so many paths, and a CSV header so many columns (profile.md h). */
#define MU_PATHS_MAX 10000u

/* Room for one more element after `n`: the array, or a larger one in its place. Out of memory ends
 * the process, as in an arena. */
void *mu_room(void *array, size_t n, size_t *capacity, size_t size);

/* -------- kinds.c: what a text may stand for -------- */

enum {
    MU_CELL_INTEGER = 1,
    MU_CELL_DOUBLE = 2, /* set for integers too */
    MU_CELL_BOOLEAN = 4,
    MU_CELL_TIME = 8,
    MU_CELL_ANY = 15
};

/* Those of the kinds in `mask` that a non-empty cell may stand for. A number written with a plus, a
 * leading zero or more digits than 64 bits hold is text. */
uint8_t mu_cell_kinds(mu_str cell, uint8_t mask);

/* A cell as a value of a scalar type; false when it is none. Strings are borrowed. */
bool mu_cell_value(mu_str cell, mu_type_kind kind, mu_value *out);

/* A date-time as profile.md P5 has it, digits being epoch milliseconds. */
bool mu_read_instant(mu_str text, int64_t *out_ms);

/* -------- shape.c: the paths that records have -------- */

typedef enum mu_seen_kind {
    MU_SEEN_BOOLEAN,
    MU_SEEN_INTEGER,
    MU_SEEN_DOUBLE,
    MU_SEEN_TIME, /* JSON text in the form of RFC 3339 */
    MU_SEEN_TEXT, /* other JSON text */
    MU_SEEN_LIST,
    MU_SEEN_OBJECT,
    MU_SEEN_CELL, /* a CSV cell; mu_shape_node.cell_kinds says more */
    MU_SEEN_COUNT
} mu_seen_kind;

#define MU_NO_SLOT UINT32_MAX

/* One path. Node 0 is none; a parent comes before its children. */
typedef struct mu_shape_node {
    mu_str name;     /* of a field; empty for the root, list items and map values */
    uint32_t parent; /* 0 for roots */
    uint32_t depth;
    uint32_t item;         /* the node of list items or map values; 0 when none was met */
    uint32_t first_field;  /* children that are fields, newest first */
    uint32_t next_sibling; /* in that list */
    uint32_t next_field;   /* the field that followed this one last time; 0 unknown */
    uint32_t prefixed;     /* "repo:createDate": the node of _repo.createDate it means; 0 none */
    uint32_t slot;         /* the field's place in its parent's type, once settled */
    uint8_t cell_kinds;    /* what all cells seen may stand for */
    bool is_root;
    const mu_type *known;   /* of the schema; NULL when the path is new */
    const mu_type *settled; /* NULL before settling, and when there is nothing to store */
    uint64_t seen[MU_SEEN_COUNT];
} mu_shape_node;

/* The tree of one worker, or of all together. One thread at a time. */
typedef struct mu_shape {
    mu_arena *arena; /* names */
    mu_shape_node *nodes;
    uint32_t n_nodes;
    size_t capacity;
    uint32_t n_new;  /* nodes that the schema does not know */
    uint32_t *slots; /* hash of (parent, name) -> node */
    uint32_t n_slots;
} mu_shape;

void mu_shape_init(mu_shape *shape, mu_arena *arena);
void mu_shape_free(mu_shape *shape);

/* A new root for records of `type` (an OBJECT). */
uint32_t mu_shape_root(mu_shape *shape, const mu_type *type);

/* The node of a field, made when missing. `previous` is the field looked up before (0: none): its
 * successor is tried first. */
uint32_t mu_shape_field(mu_shape *shape, uint32_t parent, uint32_t previous, mu_str name);

/* The node of list items or map values. */
uint32_t mu_shape_item(mu_shape *shape, uint32_t parent);

static inline bool mu_shape_is_new(const mu_shape *shape, uint32_t node)
{
    return shape->nodes[node].known == NULL;
}

/* "commerce.order.priceTotal"; list items and map values add "[]". */
mu_str mu_shape_path(const mu_shape *shape, uint32_t node, mu_arena *arena);

/* One value of a new path that a record holds, or a double where the schema has an inferred
 * integer. */
typedef struct mu_seen {
    uint32_t node;
    uint8_t kind; /* mu_seen_kind */
    uint8_t cell_kinds;
} mu_seen;

void mu_shape_count(mu_shape *shape, const mu_seen *seen, size_t n);

/* Adds the paths and counts of `from`, whose roots are the same. `map` (from->n_nodes) gets the
 * nodes of `into`. */
void mu_shape_join(mu_shape *into, const mu_shape *from, uint32_t *map);

/* -------- settle.c: types from counts -------- */

/* Sets `settled` and `slot` of the node and all beneath it; the types are in `arena`. Returns the
 * type: for a root the class's type with the new fields after the known ones, by name. */
const mu_type *mu_shape_settle(mu_shape *shape, uint32_t node, mu_arena *arena);

/* -------- encode.c, decode.c: compact records --------
 *
 *   value   tag, then
 *             INTEGER, DATE, TIME   zigzag varint
 *             DOUBLE                8 bytes
 *             STRING, CELL          varint length, bytes
 *             UUID                  16 bytes: a STRING that mu_uuid_write gives
 *             LIST                  varint count, values
 *             MAP                   varint count, then (varint length, key, value)
 *             OBJECT                (varint node of the writer's shape, value)*, then 0
 */
typedef enum mu_tag {
    MU_TAG_NULL, /* list items only */
    MU_TAG_FALSE,
    MU_TAG_TRUE,
    MU_TAG_INTEGER,
    MU_TAG_DOUBLE,
    MU_TAG_STRING,
    MU_TAG_CELL,
    MU_TAG_UUID,
    MU_TAG_DATE,
    MU_TAG_TIME,
    MU_TAG_LIST,
    MU_TAG_MAP,
    MU_TAG_OBJECT
} mu_tag;

/* Turns values into bytes and notes what new paths hold. One worker's. */
typedef struct mu_encoder {
    mu_shape *shape;
    mu_arena *scratch; /* for messages; reset by the worker */
    mu_buf out;
    mu_seen *seen; /* of this record; counted once it is accepted */
    size_t n_seen, seen_capacity;
    bool is_strict;
    const mu_namespaces *namespaces; /* spell the keys of an identityMap; NULL leaves them */
} mu_encoder;

void mu_encoder_init(mu_encoder *encoder, mu_shape *shape, mu_arena *scratch, bool is_strict);
void mu_encoder_free(mu_encoder *encoder);
void mu_encoder_begin(mu_encoder *encoder); /* forgets the record before */

void mu_encode_tag(mu_encoder *encoder, mu_tag tag);
void mu_encode_node(mu_encoder *encoder, uint32_t node);
void mu_encode_end(mu_encoder *encoder); /* of an OBJECT */
/* The same, of an object that has fields: a node that is new becomes an object by it. */
void mu_encode_object_end(mu_encoder *encoder, uint32_t node);
void mu_encode_map(mu_encoder *encoder, uint32_t n);
void mu_encode_key(mu_encoder *encoder, mu_str key);

/* MU_E_TYPE: the value's kind is not the schema's; MU_E_INPUT: anything else that is wrong. */
MU_CHECKED mu_code mu_encode_json(mu_encoder *encoder, uint32_t node, const mu_json *json,
                                  mu_err *err);

/* The fields of a record's root, without tag and end, so that more can follow. */
MU_CHECKED mu_code mu_encode_root_fields(mu_encoder *encoder, uint32_t root, const mu_json *json,
                                         mu_err *err);

/* A cell that is not empty. `reader` serves cells that hold JSON. */
MU_CHECKED mu_code mu_encode_cell(mu_encoder *encoder, mu_json_reader *reader, uint32_t node,
                                  mu_str cell, mu_err *err);

/* Where a record's nodes lead: the writer's shape, and per node the slot of its settled type. */
typedef struct mu_decoder {
    const mu_shape *shape;
    const uint32_t *slots;
    mu_arena *arena; /* results */
} mu_decoder;

/* One value at *at. Strings point into the record. MU_E_TYPE names the path and both types. */
MU_CHECKED mu_code mu_decode(const mu_decoder *decoder, uint32_t node, const mu_type *type,
                             const uint8_t **at, mu_value *out, mu_err *err);

/* -------- input.c -------- */

typedef struct mu_input_file {
    const char *path;
    mu_str name;         /* as in messages: the path, or "standard input" */
    uint64_t size_bytes; /* 0 when not known */
    bool is_pipe;
    bool is_csv;
    uint32_t n_columns;
    const mu_str *columns; /* CSV: the header's cells */
} mu_input_file;

/* A run of whole records of one file. */
typedef struct mu_chunk {
    char *bytes;                 /* owned; reused */
    size_t start, len, capacity; /* the records are bytes[start .. start + len) */
    uint64_t done_bytes;         /* of all files, once this chunk is done */
    uint64_t sequence;           /* 0, 1, ... over the whole load */
    uint32_t file;
    uint64_t first_line;
    bool skipped_line; /* the chunk stands for one line over MU_LINE_MAX */
} mu_chunk;

typedef struct mu_input {
    pthread_mutex_t lock;
    mu_arena arena;
    uint32_t n_files;
    mu_input_file *files;
    mu_input_format format;
    size_t chunk_bytes;
    uint64_t all_bytes, done_bytes;
    bool stopped;
    uint64_t next_sequence;
    uint32_t file;
    int fd; /* -1 between files */
    uint64_t line;
    bool at_end;
    mu_buf carry; /* read, but not handed out */
} mu_input;

/* Checks that every file can be read. */
MU_CHECKED mu_code mu_input_open(mu_input *input, uint32_t n_files, const char *const *files,
                                 mu_input_format format, size_t chunk_bytes, mu_err *err);
void mu_input_close(mu_input *input);

/* Any thread. *more is false at the end and after mu_input_stop. */
MU_CHECKED mu_code mu_input_next(mu_input *input, mu_chunk *chunk, bool *more, mu_err *err);
void mu_input_stop(mu_input *input);
void mu_chunk_free(mu_chunk *chunk);

/* -------- spread.c -------- */

/* The head of a record, of which a load has very many in memory. A hash of the content (of events
 * without _id), the identity's value and the encoded body (one OBJECT) follow it, then zeros up to
 * a multiple of 8. */
typedef struct mu_record {
    uint64_t identity_hash; /* of entity, namespace and value */
    uint64_t order;         /* mu_record_order */
    uint32_t size_bytes;    /* all of it */
    uint32_t identity_bytes;
    uint16_t dataset;   /* the worker's number, at most MU_PATHS_MAX */
    uint16_t namespace; /* the worker's number, at most MU_PATHS_MAX */
    uint16_t entity;    /* 0: profile, else 1 + lookup class */
    uint8_t worker;
    bool is_event : 1, has_content_hash : 1;
} mu_record;

_Static_assert(sizeof(mu_record) == 32, "records are compact");
_Static_assert(MU_PATHS_MAX < UINT16_MAX, "numbers of datasets fit");

/* Files, and their lines, in ascending order: of what is said twice the later one counts. */
static inline uint64_t mu_record_order(uint32_t file, uint64_t line)
{
    return (uint64_t)file << 40 | line;
}

static inline uint32_t mu_record_file(const mu_record *record)
{
    return (uint32_t)(record->order >> 40);
}

static inline uint64_t mu_record_line(const mu_record *record)
{
    return record->order & ((UINT64_C(1) << 40) - 1);
}

static inline uint64_t mu_record_content_hash(const mu_record *record)
{
    uint64_t hash;
    memcpy(&hash, record + 1, sizeof hash);
    return hash;
}

static inline mu_str mu_record_identity(const mu_record *record)
{
    const char *at = (const char *)(record + 1) + (record->has_content_hash ? sizeof(uint64_t) : 0);
    return (mu_str){at, record->identity_bytes};
}

static inline const uint8_t *mu_record_body(const mu_record *record)
{
    mu_str identity = mu_record_identity(record);
    return (const uint8_t *)identity.ptr + identity.len;
}

typedef struct mu_spread mu_spread;

/* Slices by hash of identity, ascending with the hash, that keep up to `memory_max_bytes` in
 * memory; beyond that they go compressed to an unnamed file in `folder` (borrowed). */
MU_CHECKED mu_code mu_spread_new(const char *folder, uint32_t n_slices, unsigned n_writers,
                                 size_t memory_max_bytes, mu_spread **out, mu_err *err);
void mu_spread_free(mu_spread *spread);

/* Adds a record; size_bytes and identity_bytes of the head are filled in, and the hash is looked at
 * when the head has one. One writer number per thread. */
MU_CHECKED mu_code mu_spread_add(mu_spread *spread, unsigned writer, mu_record *head,
                                 uint64_t content_hash, mu_str identity, mu_str body, mu_err *err);

/* Ends the writing. */
MU_CHECKED mu_code mu_spread_finish(mu_spread *spread, mu_err *err);

/* Bytes of records, after the end: of those in the file, and of a slice. */
uint64_t mu_spread_spilled(const mu_spread *spread);
uint64_t mu_spread_slice_bytes(const mu_spread *spread, uint32_t slice);

/* Adds the runs of a slice to *runs (mu_room's kind of array): whole records, aligned to 8 bytes.
 * Taken once; the caller frees each run's bytes, also those taken before a failure. */
typedef struct mu_run {
    char *bytes;
    size_t len;
} mu_run;
MU_CHECKED mu_code mu_spread_take(mu_spread *spread, uint32_t slice, mu_run **runs, size_t *n_runs,
                                  size_t *capacity, mu_err *err);

/* -------- the load -------- */

#define MU_CLASS_AUTO    UINT32_MAX
#define MU_CLASS_PROFILE 0u
#define MU_CLASS_EVENT   1u
#define MU_CLASS_LOOKUP  2u /* and following */

/* A schema path to an identity, cut at its dots. */
typedef struct mu_cut_path {
    uint32_t n;
    const mu_str *names;
    mu_str namespace_code; /* spelled */
    bool is_primary;
} mu_cut_path;

typedef struct mu_load_class {
    mu_str name;
    uint32_t entity;     /* mu_record.entity */
    const mu_type *type; /* before the load */
    uint32_t n_paths;
    const mu_cut_path *paths; /* lookup classes: one, the key */
} mu_load_class;

typedef struct mu_reject {
    uint64_t line;
    mu_str reason;
} mu_reject;

/* What a chunk gave, until all chunks before it are reported. */
typedef struct mu_outcome {
    struct mu_outcome *next;
    uint64_t sequence, done_bytes;
    uint32_t file;
    mu_arena arena; /* reasons */
    mu_reject *rejects;
    size_t n_rejects, capacity;
    uint64_t n_read;
} mu_outcome;

typedef struct mu_names {
    mu_strmap numbers; /* name as met -> number */
    mu_str *names;     /* spelled */
    mu_str *met;       /* as met */
    uint32_t n;
    size_t capacity, met_capacity;
    uint32_t last; /* looked up last, with its name as met */
    mu_str last_name;
} mu_names;

/* What rows.c knows of one file's columns. */
typedef struct mu_row_plan mu_row_plan;

typedef struct mu_load_run mu_load_run;

/* One thread's tools in the parsing phase. */
typedef struct mu_worker {
    mu_load_run *run;
    unsigned number;
    mu_arena names_arena; /* shape, datasets, namespaces, plans */
    mu_arena line_arena;  /* reset per record */
    mu_shape shape;
    uint32_t *roots; /* per class */
    mu_encoder encoder;
    mu_json_reader *reader;
    mu_csv_cells cells;
    mu_names datasets, namespaces;
    mu_row_plan **plans; /* per file, made at first use */
    mu_chunk chunk;
    mu_outcome *outcome; /* of the chunk in hand */
    uint64_t line;       /* of the record in hand */
} mu_worker;

struct mu_load_run {
    mu_store *store;
    const mu_load_options *options;
    mu_snapshot *snapshot;
    const mu_schema *schema; /* before unknown fields */
    const mu_namespaces *namespaces;
    uint32_t n_classes;
    mu_load_class *classes;
    uint32_t class_number; /* from options, or MU_CLASS_AUTO */
    mu_arena arena;
    mu_input input;
    mu_spread *spread;
    uint32_t n_slices, n_parts;
    uint32_t *part_slices; /* part p has the slices from part_slices[p] to part_slices[p + 1] */
    unsigned n_workers;
    mu_worker *workers;
    pthread_mutex_t lock; /* guards what follows */
    mu_outcome *waiting;  /* outcomes whose turn has not come, by sequence */
    uint64_t next_sequence;
    mu_load_summary summary;
    mu_err stopped; /* code is not MU_OK once fail_fast stopped the load */
};

/* entity.c: what a JSON entity is and whose. */
typedef struct mu_subject {
    uint32_t class_number;
    mu_str dataset;
    mu_identity identity; /* the namespace is empty for lookup classes */
    uint64_t content_hash;
    bool has_content_hash;
} mu_subject;

/* The class of an entity: `forced`, a class number, unless that is MU_CLASS_AUTO. */
uint32_t mu_entity_class(const mu_json *entity, uint32_t forced);

/* The identity and event key of an entity whose class out->class_number is. `identity_map` (NULL
 * allowed) is used when the entity has none (P11). The dataset is left alone. */
MU_CHECKED mu_code mu_entity_subject(mu_worker *worker, const mu_json *entity,
                                     const mu_json *identity_map, mu_subject *out, mu_err *err);

/* Identities of a record, in document order. */
typedef struct mu_candidate {
    mu_identity identity; /* the namespace spelled */
    bool is_flagged;      /* primary: true in an identityMap or endUserIDs */
    bool is_declared;     /* by the schema's primary identity path */
    const char *problem;  /* of its value; NULL when it is fine (P15) */
} mu_candidate;

typedef struct mu_candidates {
    mu_candidate list[MU_IDENTITIES_MAX];
    uint32_t n;
    uint32_t n_ignored; /* beyond MU_IDENTITIES_MAX (P16) */
} mu_candidates;

void mu_candidates_add(mu_candidates *candidates, mu_candidate candidate);

/* The members of an identityMap. NULL and other kinds add nothing: the schema rejects those. */
void mu_candidates_add_map(mu_candidates *candidates, const mu_namespaces *namespaces,
                           const mu_json *identity_map);

/* The primary by profile.md b.6 and P22. */
MU_CHECKED mu_code mu_candidates_choose(const mu_candidates *candidates,
                                        const mu_namespaces *namespaces, bool is_event,
                                        mu_identity *out, mu_err *err);

/* The number of a name, given at first use; `spelling` (NULL allowed) spells it. */
uint32_t mu_names_number(mu_names *names, mu_arena *arena, mu_str name,
                         const mu_namespaces *spelling);

/* line.c, rows.c: one chunk into records. */
MU_CHECKED mu_code mu_worker_lines(mu_worker *worker, mu_err *err);
MU_CHECKED mu_code mu_worker_rows(mu_worker *worker, mu_err *err);

/* MU_E_INPUT when a file's header makes no sense; the run's classes decide. */
MU_CHECKED mu_code mu_row_plan_new(mu_worker *worker, uint32_t file, mu_row_plan **out,
                                   mu_err *err);
void mu_row_plan_free(mu_row_plan *plan);

/* One CSV row (its line break included or not), rejected as mu_worker_line does. */
MU_CHECKED mu_code mu_worker_row(mu_worker *worker, const mu_row_plan *plan, mu_str row,
                                 mu_err *err);

/* One NDJSON line: MU_OK when it became a record, MU_E_INPUT, MU_E_TYPE or MU_E_SYNTAX with the
 * reason when it is rejected. */
MU_CHECKED mu_code mu_worker_line(mu_worker *worker, mu_str line, mu_err *err);

/* The record that the encoder holds, for its subject. Counts what was seen. */
MU_CHECKED mu_code mu_worker_store(mu_worker *worker, const mu_subject *subject, mu_err *err);

/* True for the codes that reject one line; the others end the load. */
static inline bool mu_is_reject(mu_code code)
{
    return code == MU_E_SYNTAX || code == MU_E_TYPE || code == MU_E_INPUT;
}

MU_CHECKED mu_code mu_worker_init(mu_worker *worker, mu_load_run *run, unsigned number,
                                  mu_err *err);
void mu_worker_free(mu_worker *worker);
void mu_worker_reject(mu_worker *worker, uint64_t line, const mu_err *err);

/* The schema that a run starts from (the options' schema file and the fields above on top of
 * `base`) and its classes, in the run's arena. */
MU_CHECKED mu_code mu_load_run_prepare(mu_load_run *run, const mu_schema *base, mu_err *err);

/* Reports one rejected record and stops the load when the options say so. Under the run's lock. */
void mu_load_run_report(mu_load_run *run, uint32_t file, uint64_t line, mu_str reason);

/* Sizes that follow from the options and that tests set to reach every path; 0 chooses. */
typedef struct mu_load_tuning {
    size_t chunk_bytes;
    uint32_t n_parts, n_slices;
    size_t spread_bytes; /* records in memory */
} mu_load_tuning;

MU_CHECKED mu_code mu_load_tuned(mu_store *store, const mu_load_options *options,
                                 const mu_load_tuning *tuning, uint32_t n_files,
                                 const char *const *files, mu_load_summary *out, mu_err *err);

/* build.c: the records of all slices become parts of `change`. `slots[w]` maps the nodes of worker
 * w's shape to slots of the settled types. Rejected records are reported and counted. */
MU_CHECKED mu_code mu_build(mu_load_run *run, mu_change *change, const mu_schema *schema,
                            const uint32_t *const *slots, mu_err *err);

#endif
