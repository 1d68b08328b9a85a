#include "catalog/store.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"

/* ------------------------------------------------------------ system tables ---- */

/* X(ID, number, name): fixed ids, never reused. */
#define SYSTEM_TABLES(X)                                                                   \
    X(SCHEMAS, 1, "kodiak_schemas")                                                        \
    X(TABLES, 2, "kodiak_tables")                                                          \
    X(COLUMNS, 3, "kodiak_columns")                                                        \
    X(INDEXES, 4, "kodiak_indexes")                                                        \
    X(CHECKS, 5, "kodiak_checks")

enum {
#define SYSTEM_ENUM(ID, NUMBER, NAME) SYS_##ID = NUMBER,
    SYSTEM_TABLES(SYSTEM_ENUM)
#undef SYSTEM_ENUM
        SYS_END
};

/* Columns of all system tables, in order: X(TABLE, name, type, not null). */
#define SYSTEM_COLUMNS(X)                                                                  \
    X(SCHEMAS, "name", TEXT, true)                                                         \
    X(TABLES, "table_id", BIGINT, true)                                                    \
    X(TABLES, "schema", TEXT, true)                                                        \
    X(TABLES, "name", TEXT, true)                                                          \
    X(TABLES, "kind", INTEGER, true)                                                       \
    X(TABLES, "view_sql", TEXT, false)                                                     \
    X(COLUMNS, "table_id", BIGINT, true)                                                   \
    X(COLUMNS, "column_id", INTEGER, true) /* Place in the layout. */                      \
    X(COLUMNS, "position", INTEGER, true)  /* In SQL order; -1: dropped. */                \
    X(COLUMNS, "name", TEXT, false)                                                        \
    X(COLUMNS, "type_id", INTEGER, true)                                                   \
    X(COLUMNS, "type_precision", INTEGER, true)                                            \
    X(COLUMNS, "type_scale", INTEGER, true)                                                \
    X(COLUMNS, "type_fixed", INTEGER, true)                                                \
    X(COLUMNS, "type_length", BIGINT, true)                                                \
    X(COLUMNS, "not_null", BOOLEAN, true)                                                  \
    X(COLUMNS, "default_sql", TEXT, false)                                                 \
    X(COLUMNS, "missing", TEXT, false) /* Value of rows older than the column, as text. */ \
    X(INDEXES, "index_id", BIGINT, true)                                                   \
    X(INDEXES, "table_id", BIGINT, true)                                                   \
    X(INDEXES, "position", INTEGER, true) /* Among the table's indexes. */                 \
    X(INDEXES, "name", TEXT, true)                                                         \
    X(INDEXES, "is_unique", BOOLEAN, true)                                                 \
    X(INDEXES, "is_primary", BOOLEAN, true)                                                \
    X(INDEXES, "is_constraint", BOOLEAN, true)                                             \
    X(INDEXES, "columns", TEXT,                                                            \
      true) /* Layout places, each with d (descending) and f (NULLs first). */             \
    X(CHECKS, "table_id", BIGINT, true)                                                    \
    X(CHECKS, "position", INTEGER, true)                                                   \
    X(CHECKS, "name", TEXT, true)                                                          \
    X(CHECKS, "condition", TEXT, true)

enum { SYSTEM_WIDTH_MAX = 16 };

struct system_column {
    uint32_t table;
    const char *name;
    struct ltype type;
    bool not_null;
};
static const struct system_column system_columns[] = {
#define SYSTEM_COLUMN(TABLE, NAME, TYPE, NOT_NULL)                                         \
    {SYS_##TABLE, NAME, {.id = LT_##TYPE}, NOT_NULL},
    SYSTEM_COLUMNS(SYSTEM_COLUMN)
#undef SYSTEM_COLUMN
};
static const char *const system_names[SYS_END] = {
#define SYSTEM_NAME(ID, NUMBER, NAME) [NUMBER] = NAME,
    SYSTEM_TABLES(SYSTEM_NAME)
#undef SYSTEM_NAME
};

/* --------------------------------------------------------------- the catalog ---- */

/* A committed version, from `timestamp` on. */
struct version {
    struct version *older;
    const struct catver *catver;
    uint64_t timestamp;
};

struct catalog {
    struct store *store;
    struct table *tables[SYS_END];
    struct latch latch; /* Over what follows. */
    struct version *newest;
    uint64_t number;          /* Of the last version made. */
    const struct txn *owner;  /* The transaction that changes the catalog. */
    struct version *prepared; /* What it will publish. */
};

struct store *catalog_store(struct catalog *catalog)
{
    return catalog->store;
}

static void version_free(struct version *version)
{
    if (!version)
        return;
    catver_unref(version->catver);
    mem_free(version);
}

/* Versions that no snapshot can ask for any more go: the newest one at or below the oldest
 * snapshot is the last that is needed. */
static void trim(struct catalog *catalog)
{
    uint64_t oldest = txnman_oldest(store_txnman(catalog->store));
    struct version *v = catalog->newest;
    while (v && v->timestamp > oldest)
        v = v->older;
    if (!v)
        return;
    struct version *gone = v->older;
    v->older = NULL;
    while (gone) {
        struct version *next = gone->older;
        version_free(gone);
        gone = next;
    }
}

static void on_commit(void *context, uint64_t timestamp)
{
    struct catalog *catalog = context;
    latch_acquire(&catalog->latch);
    struct version *v = catalog->prepared;
    catalog->prepared = NULL;
    catalog->owner = NULL;
    if (v) {
        v->timestamp = timestamp;
        v->older = catalog->newest;
        catalog->newest = v;
        trim(catalog);
    }
    latch_release(&catalog->latch);
}

static void on_rollback(void *context, uint64_t timestamp)
{
    struct catalog *catalog = context;
    (void)timestamp;
    latch_acquire(&catalog->latch);
    version_free(catalog->prepared);
    catalog->prepared = NULL;
    catalog->owner = NULL;
    latch_release(&catalog->latch);
}

const struct catver *catalog_begin(struct catalog *catalog, struct catalog_session *session,
                                   struct txn *txn)
{
    if (session->txn == txn && session->version)
        return session->version;
    catalog_end(session);
    session->catalog = catalog;
    session->txn = txn;
    latch_acquire(&catalog->latch);
    struct version *v = catalog->newest;
    while (v->older && v->timestamp > txn->snapshot)
        v = v->older;
    catver_ref(v->catver);
    session->version = v->catver;
    latch_release(&catalog->latch);
    return session->version;
}

void catalog_end(struct catalog_session *session)
{
    catver_unref(session->version);
    memset(session, 0, sizeof *session);
}

/* --------------------------------------------------------------- its changes ---- */

/* Makes the session's transaction the one that changes the catalog. */
static kdk_status change_begin(struct catalog_session *session, struct err *err)
{
    kdk_status status = KDK_OK;
    struct catalog *catalog = session->catalog;
    bool fresh = false;

    if (session->txn->read_only)
        return err_set(err, KDK_READ_ONLY,
                       "cannot change the schema in a read-only transaction");
    latch_acquire(&catalog->latch);
    if (catalog->owner && catalog->owner != session->txn) {
        status = err_set(err, KDK_SERIALIZATION,
                         "could not serialize access due to a concurrent schema change");
        session->txn->conflict = (struct txn_conflict){.number = catalog->owner->number};
    } else if (!catalog->owner && catalog->newest->timestamp > session->txn->snapshot) {
        status = err_set(err, KDK_SERIALIZATION,
                         "could not serialize access due to a concurrent schema change");
        session->txn->conflict =
            (struct txn_conflict){.timestamp = catalog->newest->timestamp};
    } else if (!catalog->owner) {
        catalog->owner = session->txn;
        fresh = true;
    }
    latch_release(&catalog->latch);
    if (!fresh || status != KDK_OK)
        return status;
    status = txn_on_end(session->txn, on_commit, on_rollback, catalog, err);
    if (status != KDK_OK)
        on_rollback(catalog, 0);
    return status;
}

/* The builder's version becomes the session's, and the one to be published. */
static kdk_status change_end(struct catalog_session *session,
                             struct catver_builder *builder, struct err *err)
{
    kdk_status status = KDK_OK;
    struct catalog *catalog = session->catalog;
    struct version *version = NULL;
    const struct catver *made = NULL;

    TRY_MEM(version = MEM_NEW(struct version));
    latch_acquire(&catalog->latch);
    uint64_t number = ++catalog->number;
    latch_release(&catalog->latch);
    TRY(catver_build(builder, number, &made, err));
    version->catver = made;
    catver_ref(made);
    latch_acquire(&catalog->latch);
    version_free(catalog->prepared);
    catalog->prepared = version;
    latch_release(&catalog->latch);
    version = NULL;
    catver_unref(session->version);
    session->version = made;
    session->changed = true;
out:
    mem_free(version);
    return status;
}

static struct datum text_or_null(const char *text)
{
    return text ? (struct datum){.s = str_of(text, strlen(text))} : DATUM_NULL;
}

/* Deletes the rows of a system table whose column `column` has the value; table ids, index
 * ids or names. */
static kdk_status rows_delete(struct catalog_session *session, uint32_t system,
                              uint32_t column, const struct datum *value, struct err *err)
{
    kdk_status status = KDK_OK;
    struct catalog *catalog = session->catalog;
    struct table *table = catalog->tables[system];
    struct arena arena;
    struct table_scan *scan = NULL;
    struct scan_reader *reader = NULL;
    struct batch batch = {0};
    const uint32_t columns[] = {SCAN_ROWID, column};
    struct ltype types[] = {LTYPE(BIGINT), table_column_type(table, column)};
    rowid *ids = NULL;
    size_t count = 0, room = 0;
    bool more;

    arena_init(&arena);
    /* A statement with several steps changes an object several times: rows that a step
     * wrote are seen by the next. */
    txn_statement_begin(session->txn);
    TRY(batch_init(&batch, types, 2, &arena, err));
    TRY(table_scan_open(session->txn, table, columns, 2, NULL, 0, &arena, &scan, err));
    TRY(scan_reader_new(scan, &arena, &reader, err));
    for (;;) {
        TRY(scan_reader_next(reader, &batch, &more, err));
        if (!more)
            break;
        for (uint32_t k = 0; k < batch.sel.count; k++) {
            uint32_t row = SEL_ROW(&batch.sel, k);
            struct datum d = vec_get(&batch.columns[1], row);
            if (datum_compare(types[1], &d, value) != 0)
                continue;
            if (count == room) {
                rowid *grown =
                    mem_realloc(ids, (room = room ? room * 2 : 64) * sizeof *ids);
                TRY_MEM(grown);
                ids = grown;
            }
            ids[count++] = (rowid)vec_get(&batch.columns[0], row).i;
        }
    }
    for (size_t i = 0; i < count; i++) {
        bool changed;
        TRY(table_delete(session->txn, table, ids[i], &changed, err));
    }
out:
    if (reader)
        scan_reader_free(reader);
    if (scan)
        table_scan_close(scan);
    batch_unpin(&batch);
    mem_free(ids);
    arena_deinit(&arena);
    return status;
}

static kdk_status row_insert(struct catalog_session *session, uint32_t system,
                             const struct datum *values, struct err *err)
{
    rowid id;
    return table_insert(session->txn, session->catalog->tables[system], values, &id, err);
}

static kdk_status table_rows_delete(struct catalog_session *session, uint32_t id,
                                    struct err *err)
{
    kdk_status status = KDK_OK;
    struct datum value = {.i = id};
    TRY(rows_delete(session, SYS_TABLES, 0, &value, err));
    TRY(rows_delete(session, SYS_COLUMNS, 0, &value, err));
    TRY(rows_delete(session, SYS_INDEXES, 1, &value, err));
    TRY(rows_delete(session, SYS_CHECKS, 0, &value, err));
out:
    return status;
}

static kdk_status column_row_insert(struct catalog_session *session,
                                    const struct ctable *table, uint32_t id,
                                    struct ltype type, const struct datum *missing,
                                    const struct ccolumn *column, int64_t position,
                                    struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf text = {0};
    if (missing && !missing->null && datum_print(type, missing, &text) != KDK_OK)
        TRY(err_nomem(err));
    struct datum values[] = {
        {.i = table->id},
        {.i = id},
        {.i = position},
        text_or_null(column ? column->name : NULL),
        {.i = type.id},
        {.i = type.precision},
        {.i = type.scale},
        {.i = type.fixed},
        {.i = type.length},
        {.i = column && column->not_null},
        text_or_null(column ? column->default_sql : NULL),
        missing && !missing->null
            ? (struct datum){.s = str_of(text.data ? text.data : "", text.len)}
            : DATUM_NULL,
    };
    TRY(row_insert(session, SYS_COLUMNS, values, err));
out:
    buf_deinit(&text);
    return status;
}

static kdk_status table_rows_insert(struct catalog_session *session,
                                    const struct ctable *table, struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf text = {0};
    struct datum row[] = {{.i = table->id},
                          text_or_null(table->schema),
                          text_or_null(table->name),
                          {.i = table->kind},
                          text_or_null(table->view_sql)};
    TRY(row_insert(session, SYS_TABLES, row, err));
    uint32_t stored = table->store ? table_column_count(table->store) : table->column_count;
    for (uint32_t id = 0; id < stored; id++) {
        const struct ccolumn *column = NULL;
        struct tcolumn definition = {0};
        int64_t position = -1;
        for (uint32_t c = 0; c < table->column_count; c++)
            if ((table->store ? table->columns[c].id : c) == id) {
                column = &table->columns[c];
                position = c;
            }
        if (table->store)
            table_column_definition(table->store, id, &definition);
        else
            definition = (struct tcolumn){.type = column->type, .missing = DATUM_NULL};
        TRY(column_row_insert(session, table, id, definition.type, &definition.missing,
                              column, position, err));
    }
    for (uint32_t i = 0; i < table->index_count; i++) {
        const struct cindex *index = table->indexes[i];
        buf_clear(&text);
        for (uint32_t c = 0; c < index->column_count; c++)
            TRY(buf_printf(
                &text, "%s%u%s%s", c ? " " : "", table->columns[index->columns[c]].id,
                index->descending[c] ? "d" : "", index->nulls_first[c] ? "f" : ""));
        struct datum values[] = {{.i = index->id},
                                 {.i = table->id},
                                 {.i = i},
                                 text_or_null(index->name),
                                 {.i = index->unique},
                                 {.i = index->primary},
                                 {.i = index->constraint},
                                 {.s = str_of(text.data, text.len)}};
        TRY(row_insert(session, SYS_INDEXES, values, err));
    }
    for (uint32_t i = 0; i < table->check_count; i++) {
        struct datum values[] = {{.i = table->id},
                                 {.i = i},
                                 text_or_null(table->checks[i].name),
                                 text_or_null(table->checks[i].sql)};
        TRY(row_insert(session, SYS_CHECKS, values, err));
    }
out:
    buf_deinit(&text);
    return status;
}

kdk_status catalog_put_table(struct catalog_session *session, const struct ctable *table,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct catver_builder *builder = NULL;

    TRY(change_begin(session, err));
    TRY(catver_builder_new(session->version, &builder, err));
    TRY(catver_put_table(builder, table, err));
    TRY(table_rows_delete(session, table->id, err));
    TRY(table_rows_insert(session, table, err));
    TRY(change_end(session, builder, err));
out:
    catver_builder_free(builder);
    return status;
}

kdk_status catalog_drop_table(struct catalog_session *session, uint32_t id, struct err *err)
{
    kdk_status status = KDK_OK;
    struct catver_builder *builder = NULL;

    TRY(change_begin(session, err));
    TRY(catver_builder_new(session->version, &builder, err));
    TRY(catver_drop_table(builder, id, err));
    TRY(table_rows_delete(session, id, err));
    TRY(change_end(session, builder, err));
out:
    catver_builder_free(builder);
    return status;
}

kdk_status catalog_put_schema(struct catalog_session *session, const char *name,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    struct catver_builder *builder = NULL;
    struct datum row = text_or_null(name);

    TRY(change_begin(session, err));
    TRY(catver_builder_new(session->version, &builder, err));
    TRY(catver_put_schema(builder, name, err));
    TRY(row_insert(session, SYS_SCHEMAS, &row, err));
    TRY(change_end(session, builder, err));
out:
    catver_builder_free(builder);
    return status;
}

kdk_status catalog_drop_schema(struct catalog_session *session, const char *name,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct catver_builder *builder = NULL;
    struct datum value = text_or_null(name);

    TRY(change_begin(session, err));
    TRY(catver_builder_new(session->version, &builder, err));
    TRY(catver_drop_schema(builder, name, err));
    TRY(rows_delete(session, SYS_SCHEMAS, 0, &value, err));
    TRY(change_end(session, builder, err));
out:
    catver_builder_free(builder);
    return status;
}

struct rename {
    struct catalog_session *session;
    const char *schema;
};

static kdk_status rename_one(void *context, const struct ctable *table, struct err *err)
{
    kdk_status status = KDK_OK;
    struct rename *rename = context;
    if (strcmp(table->schema, rename->schema) != 0)
        goto out;
    TRY(table_rows_delete(rename->session, table->id, err));
    TRY(table_rows_insert(rename->session, table, err));
out:
    return status;
}

kdk_status catalog_rename_schema(struct catalog_session *session, const char *from,
                                 const char *to, struct err *err)
{
    kdk_status status = KDK_OK;
    struct catver_builder *builder = NULL;
    struct datum old = text_or_null(from), fresh = text_or_null(to);
    struct rename rename = {session, to};

    TRY(change_begin(session, err));
    TRY(catver_builder_new(session->version, &builder, err));
    TRY(catver_rename_schema(builder, from, to, err));
    TRY(rows_delete(session, SYS_SCHEMAS, 0, &old, err));
    TRY(row_insert(session, SYS_SCHEMAS, &fresh, err));
    TRY(change_end(session, builder, err));
    TRY(catver_each(session->version, rename_one, &rename, err));
out:
    catver_builder_free(builder);
    return status;
}

/* ------------------------------------------------------------------- opening ---- */

static kdk_status system_attach(struct catalog *catalog, struct txn *create,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t t = 1; t < SYS_END; t++) {
        struct tcolumn columns[SYSTEM_WIDTH_MAX];
        uint32_t n = 0;
        for (size_t i = 0; i < COUNT_OF(system_columns); i++)
            if (system_columns[i].table == t)
                columns[n++] = (struct tcolumn){.type = system_columns[i].type,
                                                .not_null = system_columns[i].not_null,
                                                .missing = DATUM_NULL};
        if (create)
            TRY(table_create(create, catalog->store, t, columns, n, &catalog->tables[t],
                             err));
        else
            TRY(table_attach(catalog->store, t, columns, n, &catalog->tables[t], err));
    }
out:
    return status;
}

/* The rows of a system table, in no order, as datums in the arena. */
struct rows {
    struct datum *values; /* count * width */
    uint32_t width;
    size_t count;
};

static kdk_status rows_read(struct catalog *catalog, struct txn *txn, uint32_t system,
                            struct arena *arena, struct rows *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table *table = catalog->tables[system];
    struct table_scan *scan = NULL;
    struct scan_reader *reader = NULL;
    struct batch batch = {0};
    uint32_t columns[SYSTEM_WIDTH_MAX];
    struct ltype types[SYSTEM_WIDTH_MAX];
    size_t room = 0;
    bool more;

    out->width = table_column_count(table);
    out->count = 0;
    out->values = NULL;
    for (uint32_t i = 0; i < out->width; i++) {
        columns[i] = i;
        types[i] = table_column_type(table, i);
    }
    TRY(batch_init(&batch, types, out->width, arena, err));
    TRY(table_scan_open(txn, table, columns, out->width, NULL, 0, arena, &scan, err));
    TRY(scan_reader_new(scan, arena, &reader, err));
    for (;;) {
        TRY(scan_reader_next(reader, &batch, &more, err));
        if (!more)
            break;
        for (uint32_t k = 0; k < batch.sel.count; k++) {
            if (out->count == room) {
                struct datum *grown;
                room = room ? room * 2 : 64;
                TRY_MEM(grown = ARENA_ARRAY(arena, struct datum, room * out->width));
                if (out->count)
                    memcpy(grown, out->values, out->count * out->width * sizeof *grown);
                out->values = grown;
            }
            for (uint32_t c = 0; c < out->width; c++) {
                struct datum d = vec_get(&batch.columns[c], SEL_ROW(&batch.sel, k));
                if (!datum_copy(arena, types[c], d,
                                &out->values[out->count * out->width + c]))
                    TRY(err_nomem(err));
            }
            out->count++;
        }
    }
out:
    if (reader)
        scan_reader_free(reader);
    if (scan)
        table_scan_close(scan);
    batch_unpin(&batch);
    return status;
}

static const struct datum *cell(const struct rows *rows, size_t row, uint32_t column)
{
    return &rows->values[row * rows->width + column];
}

/* NULL for NULL. */
static char *cell_text(const struct rows *rows, size_t row, uint32_t column,
                       struct arena *arena)
{
    const struct datum *d = cell(rows, row, column);
    return d->null ? NULL : arena_strndup(arena, str_data(&d->s), d->s.len);
}

static kdk_status bad_row(struct err *err, const char *table)
{
    return err_set(err, KDK_CORRUPT,
                   "the system table \"%s\" holds a row that makes no sense", table);
}

/* "3 1d 0df" */
static kdk_status index_columns(const char *text, const struct ctable *table,
                                struct cindex *index, struct tindex *stored,
                                struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    TRY_MEM(index->columns = ARENA_ARRAY(arena, uint32_t, COUNT_OF(stored->columns)));
    TRY_MEM(index->descending = ARENA_ARRAY(arena, bool, COUNT_OF(stored->columns)));
    TRY_MEM(index->nulls_first = ARENA_ARRAY(arena, bool, COUNT_OF(stored->columns)));
    for (const char *at = text; *at;) {
        uint32_t id = 0, n = index->column_count;
        bool known = false;
        if (n == COUNT_OF(stored->columns) || *at < '0' || *at > '9')
            TRY(bad_row(err, "kodiak_indexes"));
        while (*at >= '0' && *at <= '9')
            id = id * 10 + (uint32_t)(*at++ - '0');
        if (*at == 'd') {
            index->descending[n] = true;
            at++;
        }
        if (*at == 'f') {
            index->nulls_first[n] = true;
            at++;
        }
        if (*at == ' ')
            at++;
        for (uint32_t c = 0; c < table->column_count && !known; c++)
            if (table->columns[c].id == id) {
                index->columns[n] = c;
                known = true;
            }
        if (!known)
            TRY(bad_row(err, "kodiak_indexes"));
        stored->columns[n] = id;
        stored->descending[n] = index->descending[n];
        stored->nulls_first[n] = index->nulls_first[n];
        index->column_count = ++stored->column_count;
    }
out:
    return status;
}

struct loaded {
    struct rows tables, columns, indexes, checks;
};

static kdk_status table_load(struct catalog *catalog, const struct loaded *l, size_t row,
                             struct catver_builder *builder, struct arena *arena,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct ctable t = {0};
    struct tcolumn *stored;
    uint32_t count = 0;

    t.id = (uint32_t)cell(&l->tables, row, 0)->i;
    TRY_MEM(t.schema = cell_text(&l->tables, row, 1, arena));
    TRY_MEM(t.name = cell_text(&l->tables, row, 2, arena));
    t.kind = (enum cobject_kind)cell(&l->tables, row, 3)->i;
    t.view_sql = cell_text(&l->tables, row, 4, arena);
    for (size_t i = 0; i < l->columns.count; i++)
        count += cell(&l->columns, i, 0)->i == t.id;
    TRY_MEM(stored = ARENA_ARRAY(arena, struct tcolumn, count + 1));
    TRY_MEM(t.columns = ARENA_ARRAY(arena, struct ccolumn, count + 1));
    for (size_t i = 0; i < l->columns.count; i++) {
        int64_t id, position;
        if (cell(&l->columns, i, 0)->i != t.id)
            continue;
        id = cell(&l->columns, i, 1)->i;
        position = cell(&l->columns, i, 2)->i;
        if (id < 0 || id >= count || position >= count)
            TRY(bad_row(err, "kodiak_columns"));
        struct ltype type = {.id = (uint8_t)cell(&l->columns, i, 4)->i,
                             .precision = (uint8_t)cell(&l->columns, i, 5)->i,
                             .scale = (uint8_t)cell(&l->columns, i, 6)->i,
                             .fixed = (uint8_t)cell(&l->columns, i, 7)->i,
                             .length = (uint32_t)cell(&l->columns, i, 8)->i};
        stored[id] = (struct tcolumn){.type = type,
                                      .not_null = cell(&l->columns, i, 9)->i != 0,
                                      .dropped = position < 0,
                                      .missing = DATUM_NULL};
        const struct datum *missing = cell(&l->columns, i, 11);
        if (!missing->null)
            TRY(datum_parse(type, str_data(&missing->s), missing->s.len, arena,
                            &stored[id].missing, err));
        if (position < 0)
            continue;
        t.column_count++;
        t.columns[position] =
            (struct ccolumn){.type = type,
                             .id = (uint32_t)id,
                             .not_null = stored[id].not_null,
                             .default_sql = cell_text(&l->columns, i, 10, arena)};
        TRY_MEM(t.columns[position].name = cell_text(&l->columns, i, 3, arena));
    }
    for (uint32_t c = 0; c < t.column_count; c++)
        if (!t.columns[c].name)
            TRY(bad_row(err, "kodiak_columns"));
    if (t.kind == COBJ_TABLE)
        TRY(table_attach(catalog->store, t.id, stored, count, &t.store, err));

    for (size_t i = 0; i < l->indexes.count; i++)
        t.index_count += cell(&l->indexes, i, 1)->i == t.id;
    TRY_MEM(t.indexes = ARENA_ARRAY(arena, struct cindex *, t.index_count + 1));
    for (size_t i = 0; i < l->indexes.count; i++) {
        struct cindex *index;
        struct tindex def = {0};
        int64_t position = cell(&l->indexes, i, 2)->i;
        char *columns;
        if (cell(&l->indexes, i, 1)->i != t.id)
            continue;
        if (position < 0 || position >= t.index_count)
            TRY(bad_row(err, "kodiak_indexes"));
        TRY_MEM(index = ARENA_NEW(arena, struct cindex));
        index->id = def.id = (uint32_t)cell(&l->indexes, i, 0)->i;
        TRY_MEM(index->name = cell_text(&l->indexes, i, 3, arena));
        index->unique = def.unique = cell(&l->indexes, i, 4)->i != 0;
        index->primary = cell(&l->indexes, i, 5)->i != 0;
        index->constraint = cell(&l->indexes, i, 6)->i != 0;
        index->table = &t;
        TRY_MEM(columns = cell_text(&l->indexes, i, 7, arena));
        TRY(index_columns(columns, &t, index, &def, arena, err));
        TRY(table_index_attach(t.store, &def, err));
        t.indexes[position] = index;
    }
    for (size_t i = 0; i < l->checks.count; i++)
        t.check_count += cell(&l->checks, i, 0)->i == t.id;
    TRY_MEM(t.checks = ARENA_ARRAY(arena, struct ccheck, t.check_count + 1));
    for (size_t i = 0; i < l->checks.count; i++) {
        int64_t position = cell(&l->checks, i, 1)->i;
        if (cell(&l->checks, i, 0)->i != t.id)
            continue;
        if (position < 0 || position >= t.check_count)
            TRY(bad_row(err, "kodiak_checks"));
        TRY_MEM(t.checks[position].name = cell_text(&l->checks, i, 2, arena));
        TRY_MEM(t.checks[position].sql = cell_text(&l->checks, i, 3, arena));
    }
    TRY(catver_put_table(builder, &t, err));
out:
    return status;
}

/* The system tables themselves, so that SQL can read them. */
static kdk_status system_describe(struct catalog *catalog, struct catver_builder *builder,
                                  struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t t = 1; t < SYS_END; t++) {
        struct ctable table = {.id = t,
                               .kind = COBJ_TABLE,
                               .schema = "pg_catalog",
                               .name = system_names[t],
                               .store = catalog->tables[t],
                               .system = true};
        TRY_MEM(table.columns = ARENA_ARRAY(arena, struct ccolumn, SYSTEM_WIDTH_MAX));
        for (size_t i = 0; i < COUNT_OF(system_columns); i++)
            if (system_columns[i].table == t) {
                table.columns[table.column_count] =
                    (struct ccolumn){.name = system_columns[i].name,
                                     .type = system_columns[i].type,
                                     .id = table.column_count,
                                     .not_null = system_columns[i].not_null};
                table.column_count++;
            }
        TRY(catver_put_table(builder, &table, err));
    }
out:
    return status;
}

static kdk_status load(struct catalog *catalog, struct txn *txn,
                       struct catver_builder *builder, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arena arena;
    struct loaded l;
    struct rows schemas;

    arena_init(&arena);
    TRY(rows_read(catalog, txn, SYS_SCHEMAS, &arena, &schemas, err));
    TRY(rows_read(catalog, txn, SYS_TABLES, &arena, &l.tables, err));
    TRY(rows_read(catalog, txn, SYS_COLUMNS, &arena, &l.columns, err));
    TRY(rows_read(catalog, txn, SYS_INDEXES, &arena, &l.indexes, err));
    TRY(rows_read(catalog, txn, SYS_CHECKS, &arena, &l.checks, err));
    for (size_t i = 0; i < schemas.count; i++) {
        char *name;
        TRY_MEM(name = cell_text(&schemas, i, 0, &arena));
        TRY(catver_put_schema(builder, name, err));
    }
    TRY(system_describe(catalog, builder, &arena, err));
    for (size_t i = 0; i < l.tables.count; i++)
        TRY(table_load(catalog, &l, i, builder, &arena, err));
out:
    arena_deinit(&arena);
    return status;
}

/* ---------------------------------------------------------------------- names ---- */

/* For messages of storage: the names of what is being committed, or of the newest version.
 * They are copied under the latch, for the version may go as soon as it is released. */
static bool name_of(struct catalog *catalog, uint32_t table_id, uint32_t column,
                    char room[TABLE_NAME_ROOM])
{
    const char *name = NULL;
    latch_acquire(&catalog->latch);
    const struct catver *versions[2] = {catalog->prepared ? catalog->prepared->catver
                                                          : NULL,
                                        catalog->newest ? catalog->newest->catver : NULL};
    for (uint32_t v = 0; v < 2 && !name; v++) {
        const struct ctable *table =
            versions[v] ? catver_table_by_id(versions[v], table_id) : NULL;
        if (!table)
            continue;
        if (column == UINT32_MAX)
            name = table->name;
        for (uint32_t c = 0; c < table->column_count && column != UINT32_MAX; c++)
            if (table->columns[c].id == column)
                name = table->columns[c].name;
    }
    if (name)
        snprintf(room, TABLE_NAME_ROOM, "%s", name);
    latch_release(&catalog->latch);
    return name != NULL;
}

static bool name_of_table(void *context, uint32_t table_id, char room[TABLE_NAME_ROOM])
{
    return name_of(context, table_id, UINT32_MAX, room);
}

static bool name_of_column(void *context, uint32_t table_id, uint32_t column,
                           char room[TABLE_NAME_ROOM])
{
    return name_of(context, table_id, column, room);
}

struct find_index {
    uint32_t id;
    const char *name;
};

static kdk_status find_index(void *context, const struct ctable *table, struct err *err)
{
    struct find_index *find = context;
    (void)err;
    for (uint32_t i = 0; i < table->index_count; i++)
        if (table->indexes[i]->id == find->id)
            find->name = table->indexes[i]->name;
    return KDK_OK;
}

static bool name_of_index(void *context, uint32_t index_id, char room[TABLE_NAME_ROOM])
{
    struct catalog *catalog = context;
    struct find_index find = {index_id, NULL};
    latch_acquire(&catalog->latch);
    const struct catver *newest = catalog->prepared ? catalog->prepared->catver
                                  : catalog->newest ? catalog->newest->catver
                                                    : NULL;
    const bool found =
        newest && catver_each(newest, find_index, &find, NULL) == KDK_OK && find.name;
    if (found)
        snprintf(room, TABLE_NAME_ROOM, "%s", find.name);
    latch_release(&catalog->latch);
    return found;
}

kdk_status catalog_open(struct store *store, struct catalog **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct catalog *catalog = NULL;
    struct catver_builder *builder = NULL;
    struct txn *txn = NULL;
    /* A new store gets its system tables; one that is open read-only is just empty. */
    bool fresh = store_is_new(store) && !txnman_read_only(store_txnman(store));

    TRY_MEM(catalog = MEM_NEW(struct catalog));
    catalog->store = store;
    latch_init(&catalog->latch, OS_RANK_CATALOG);
    TRY_MEM(catalog->newest = MEM_NEW(struct version));
    TRY(txn_begin(store_txnman(store), TXN_SNAPSHOT, !fresh, &txn, err));
    txn_statement_begin(txn);
    TRY(system_attach(catalog, fresh ? txn : NULL, err));
    TRY(catver_builder_new(NULL, &builder, err));
    TRY(load(catalog, txn, builder, err));
    struct txn *ending = txn;
    txn = NULL;
    TRY(txn_commit(ending, err));
    TRY(catver_build(builder, ++catalog->number, &catalog->newest->catver, err));
    TRY(store_recovered(store, err));
    store_set_names(store, &(struct table_names){name_of_table, name_of_column,
                                                 name_of_index, catalog});
    *out = catalog;
    catalog = NULL;
out:
    txn_rollback(txn);
    catver_builder_free(builder);
    catalog_close(catalog);
    return status;
}

void catalog_close(struct catalog *catalog)
{
    if (!catalog)
        return;
    struct version *v = catalog->newest;
    while (v) {
        struct version *older = v->older;
        version_free(v);
        v = older;
    }
    version_free(catalog->prepared);
    mem_free(catalog);
}
