/* copy_from.c - COPY ... FROM: batches from a file become rows of a table.
 *
 * A batch of the file's columns goes through the same expressions as INSERT's: defaults for
 * the columns that the file does not have, the WHERE condition, NOT NULL and CHECK; what is
 * left is written as a batch.
 */
#include "format/format_int.h"

#include <stdatomic.h>

#include "base/buf.h"

struct copying {
    const struct bound_copy *copy;
    const struct exec_env *env;
    struct arena arena;  /* Of the statement. */
    struct arena values; /* Of the batch. */
    /* Where rows come from. */
    struct bytes_in in;
    struct csv csv;
    struct csv_column *columns;
    struct arrow_rows arrow;
    struct batch read; /* One column for each of copy->columns, of the file's types. */
    /* What becomes of them. */
    struct eval **casts; /* Arrow: NULL where the types agree. */
    struct batch input;  /* The same with the table's types. */
    struct eval **set;
    struct batch row; /* One column for each of the table. */
    struct eval_conds *where;
    struct eval **checks;
    struct batch stored; /* In the order of storage. */
};

/* ------------------------------------------------------- expressions' inputs ---- */

struct slots {
    const colid *ids;
    uint32_t count;
};
static bool find_slot(void *context, colid id, uint32_t *slot)
{
    const struct slots *slots = context;
    for (uint32_t i = 0; i < slots->count; i++) {
        if (slots->ids[i] == id && id) {
            *slot = i;
            return true;
        }
    }
    return false;
}

/* A batch whose vectors are given from elsewhere. */
static kdk_status shell(struct batch *batch, uint32_t columns, struct arena *arena,
                        struct err *err)
{
    kdk_status status = KDK_OK;
    memset(batch, 0, sizeof *batch);
    batch->column_count = columns;
    TRY_MEM(batch->columns = ARENA_ARRAY(arena, struct vec, columns + 1));
    TRY_MEM(batch->sel_room = ARENA_ARRAY(arena, uint16_t, BATCH_ROWS));
out:
    return status;
}

static kdk_status compile(struct copying *c, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct bound_copy *copy = c->copy;
    const struct ctable *table = copy->table;
    const struct rel_dml *dml = copy->dml;
    struct slots input = {copy->input, copy->column_count},
                 fresh = {dml->fresh, table->column_count};
    struct eval_source from_file = {.slot = find_slot, .context = &input},
                       from_row = {.slot = find_slot, .context = &fresh};

    TRY(shell(&c->input, copy->column_count, &c->arena, err));
    TRY(shell(&c->row, table->column_count, &c->arena, err));
    TRY_MEM(c->set = ARENA_ARRAY(&c->arena, struct eval *, dml->set_count + 1));
    for (uint32_t i = 0; i < dml->set_count; i++)
        TRY(eval_new(dml->set[i], &from_file, &c->env->eval, &c->arena, &c->set[i], err));
    TRY_MEM(c->checks = ARENA_ARRAY(&c->arena, struct eval *, dml->check_count + 1));
    for (uint32_t i = 0; i < dml->check_count; i++)
        TRY(eval_new(dml->checks[i], &from_row, &c->env->eval, &c->arena, &c->checks[i],
                     err));
    if (copy->where) {
        struct expr **conds;
        TRY_MEM(conds = arena_dup(&c->arena, &copy->where, sizeof copy->where));
        TRY(eval_conds_new(conds, 1, &from_row, &c->env->eval, &c->arena, &c->where, err));
    }
    TRY(shell(&c->stored, table_column_count(table->store), &c->arena, err));
    for (uint32_t i = 0; i < c->stored.column_count; i++) {
        const struct datum null = DATUM_NULL;
        TRY(vec_constant(&c->stored.columns[i], table_column_type(table->store, i), &null,
                         &c->arena, err));
    }
out:
    return status;
}

/* ------------------------------------------------------------------ opening ---- */

static kdk_status check_header(struct copying *c, struct err *err)
{
    kdk_status status = KDK_OK;
    struct csv *csv = &c->csv;
    const struct bound_copy *copy = c->copy;
    bool more;

    if (copy->options.header == COPY_HEADER_NO)
        return KDK_OK;
    TRY(csv_loose(csv, &more, err));
    if (copy->options.header != COPY_HEADER_MATCH)
        return KDK_OK;
    if (!more) /* An empty file has no header that could match. */
        TRY(err_set(
            err, KDK_BAD_COPY,
            "wrong number of fields in header line: field count is 1, expected is %u",
            copy->column_count));
    if (csv->field_count != copy->column_count)
        status = err_set(
            err, KDK_BAD_COPY,
            "wrong number of fields in header line: field count is %u, expected is %u",
            csv->field_count, copy->column_count);
    for (uint32_t i = 0; status == KDK_OK && i < copy->column_count; i++) {
        const char *text, *want = copy->names[i].name;
        size_t bytes;
        bool null;
        TRY(csv_value(csv, &csv->fields[i], NULL, &text, &bytes, &null, err));
        if (null)
            status = err_set(err, KDK_BAD_COPY,
                             "column name mismatch in header line field %u: got null value "
                             "(\"%s\"), expected \"%s\"",
                             i + 1, copy->options.null_text, want);
        else if (bytes != strlen(want) || memcmp(text, want, bytes) != 0)
            status = err_set(err, KDK_BAD_COPY,
                             "column name mismatch in header line field %u: got \"%.*s\", "
                             "expected \"%s\"",
                             i + 1, (int)MIN(bytes, 200), text, want);
    }
    if (status != KDK_OK)
        csv_while(csv, csv->line, NULL, NULL, 0, false, err);
out:
    return status;
}

static kdk_status open_csv(struct copying *c, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct bound_copy *copy = c->copy;
    const struct copy_options *o = &copy->options;
    const struct csv_options options = {o->format == COPY_CSV, o->delimiter, o->quote,
                                        o->escape, o->null_text};
    struct ltype *types;

    if (copy->path)
        TRY(bytes_open(&c->in, c->env->os, copy->path, err));
    TRY(csv_init(&c->csv, &options, &(struct csv_input){bytes_read, &c->in}, 0, true, err));
    c->csv.table = copy->table->name;
    c->csv.path = copy->path;
    TRY_MEM(c->columns = ARENA_ARRAY(&c->arena, struct csv_column, copy->column_count + 1));
    TRY_MEM(types = ARENA_ARRAY(&c->arena, struct ltype, copy->column_count + 1));
    for (uint32_t i = 0; i < copy->column_count; i++) {
        types[i] = copy->names[i].type;
        c->columns[i] = (struct csv_column){.type = types[i],
                                            .name = copy->names[i].name,
                                            .slot = i,
                                            .force_null = o->force_null && o->force_null[i],
                                            .force_not_null =
                                                o->force_not_null && o->force_not_null[i]};
    }
    TRY(batch_init(&c->read, types, copy->column_count, &c->arena, err));
    TRY(check_header(c, err));
    TRY(csv_fix(&c->csv, copy->column_count, err));
out:
    return status;
}

/* Columns of the file by name when all are there, else by position when there are as
 * many. */
static kdk_status match_columns(struct copying *c, uint32_t *wanted, struct err *err)
{
    const struct bound_copy *copy = c->copy;
    const struct arrow_schema *schema = c->arrow.schema;
    uint32_t found = 0;

    for (uint32_t i = 0; i < copy->column_count; i++) {
        for (uint32_t k = 0; k < schema->child_count; k++) {
            if (strcmp(schema->children[k]->name, copy->names[i].name) == 0) {
                wanted[i] = k;
                found++;
                break;
            }
        }
    }
    if (found == copy->column_count)
        return KDK_OK;
    if (schema->child_count != copy->column_count) {
        err_set(err, KDK_BAD_COPY, "the Arrow data have %zu columns, %u are expected",
                schema->child_count, copy->column_count);
        err_hint(err, "Columns are found by their names, or by their places if there are "
                      "as many as expected.");
        return KDK_BAD_COPY;
    }
    for (uint32_t i = 0; i < copy->column_count; i++)
        wanted[i] = i;
    return KDK_OK;
}

static kdk_status open_arrow(struct copying *c, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct bound_copy *copy = c->copy;
    struct slots input = {copy->input, copy->column_count};
    struct eval_source source = {.slot = find_slot, .context = &input};
    struct ltype *types;
    uint32_t *wanted;

    struct arrow_stream **given = c->arrow.in.io ? c->arrow.in.io->stream : NULL;
    if (given && *given && !copy->path)
        arrow_rows_of_stream(&c->arrow, given);
    else
        TRY(arrow_rows_open(&c->arrow, c->env->os, copy->path, err));
    TRY_MEM(types = ARENA_ARRAY(&c->arena, struct ltype, copy->column_count + 1));
    TRY_MEM(wanted = ARENA_ARRAY(&c->arena, uint32_t, copy->column_count + 1));
    TRY_MEM(c->casts = ARENA_ARRAY(&c->arena, struct eval *, copy->column_count + 1));
    TRY(match_columns(c, wanted, err));
    for (uint32_t i = 0; i < copy->column_count; i++) {
        const struct ltype to = copy->names[i].type;
        struct ltype from;
        char names[2][64];
        TRY(arrow_ltype(c->arrow.schema->children[wanted[i]], &from, err));
        types[i] = from;
        if (ltype_equal(from, to))
            continue;
        if (!cast_allowed(from, to, CAST_ASSIGNMENT))
            TRY(err_set(err, KDK_TYPE_MISMATCH,
                        "column \"%s\" is of type %s but the file's is of type %s",
                        copy->names[i].name, ltype_name(to, names[0], sizeof names[0]),
                        ltype_name(from, names[1], sizeof names[1])));
        struct expr *column, *cast;
        TRY_MEM(column = ARENA_NEW(&c->arena, struct expr));
        TRY_MEM(cast = ARENA_NEW(&c->arena, struct expr));
        *column = (struct expr){.kind = EX_COLUMN, .type = from, .column = copy->input[i]};
        *cast = (struct expr){.kind = EX_CAST,
                              .type = cast_type(from, to, NULL),
                              .arg_count = 1,
                              .can_fail = cast_can_fail(from, to)};
        TRY_MEM(cast->args = arena_dup(&c->arena, &column, sizeof column));
        TRY(eval_new(cast, &source, &c->env->eval, &c->arena, &c->casts[i], err));
    }
    arrow_rows_want(&c->arrow, wanted, copy->column_count);
    TRY(batch_init(&c->read, types, copy->column_count, &c->arena, err));
out:
    return status;
}

/* ------------------------------------------------------------------- writing ---- */

/* Which line a row of the batch came from, for what is wrong with its values. */
static void row_while(struct copying *c, uint32_t row, struct err *err)
{
    if (c->copy->options.format == COPY_ARROW)
        err_while(err, "COPY %s, row %llu", c->copy->table->name,
                  (unsigned long long)(c->arrow.row - c->read.count + row + 1));
    else
        csv_while(&c->csv, c->csv.lines[row], NULL, NULL, 0, false, err);
}
/* Something is wrong with one of the batch's rows, nobody says with which. */
static void batch_while(struct copying *c, struct err *err)
{
    if (c->copy->options.format == COPY_ARROW)
        err_while(err, "COPY %s, rows up to %llu", c->copy->table->name,
                  (unsigned long long)c->arrow.row);
    else if (c->read.count)
        err_while(err, "COPY %s, lines %llu to %llu", c->copy->table->name,
                  (unsigned long long)c->csv.lines[0],
                  (unsigned long long)c->csv.lines[c->read.count - 1]);
}

static void describe_row(struct copying *c, uint32_t row, struct err *err)
{
    const struct ctable *table = c->copy->table;
    struct buf text = {0};
    for (uint32_t i = 0; i < table->column_count; i++) {
        struct datum d = vec_get(&c->row.columns[i], row);
        /* Failing to add (out of memory) sticks in the buffer, and then there is no
         * detail. */
        (void)!(buf_add_str(&text, i ? ", " : "") == KDK_OK &&
                (d.null ? buf_add_str(&text, "null")
                        : datum_print(table->columns[i].type, &d, &text)) == KDK_OK);
    }
    if (!text.nomem && text.len)
        err_detail(err, "Failing row contains (%s).", text.data);
    buf_deinit(&text);
}

/* The first row that breaks a rule; in one row NOT NULL comes first, then the checks as
 * written. */
static kdk_status constraints(struct copying *c, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct ctable *table = c->copy->table;
    const struct rel_dml *dml = c->copy->dml;
    const struct sel *sel = &c->row.sel;
    uint32_t bad = sel->count, column = UINT32_MAX, check = UINT32_MAX;

    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct vec *v = &c->row.columns[i];
        if (!table->columns[i].not_null || !v->validity)
            continue;
        for (uint32_t k = 0; k < bad; k++) {
            if (!vec_valid(v, SEL_ROW(sel, k))) {
                bad = k;
                column = i;
            }
        }
    }
    for (uint32_t i = 0; i < dml->check_count; i++) {
        struct vec *v;
        status = eval_run(c->checks[i], &c->row, &v, err);
        if (status != KDK_OK) {
            batch_while(c, err);
            goto out;
        }
        for (uint32_t k = 0; k < bad; k++) {
            struct datum d = vec_get(v, SEL_ROW(sel, k));
            if (!d.null && !d.i) {
                bad = k;
                column = UINT32_MAX;
                check = i;
            }
        }
    }
    if (bad == sel->count)
        goto out;
    if (column != UINT32_MAX)
        status = err_set(
            err, KDK_NOT_NULL,
            "null value in column \"%s\" of relation \"%s\" violates not-null constraint",
            table->columns[column].name, table->name);
    else
        status = err_set(err, KDK_CHECK,
                         "new row for relation \"%s\" violates check constraint \"%s\"",
                         table->name, dml->check_names[check]);
    describe_row(c, SEL_ROW(sel, bad), err);
    row_while(c, SEL_ROW(sel, bad), err);
out:
    return status;
}

static kdk_status write_batch(struct copying *c, uint64_t *rows, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct bound_copy *copy = c->copy;
    const struct ctable *table = copy->table;
    const struct rel_dml *dml = copy->dml;
    struct batch *from = &c->read;

    if (c->casts) {
        for (uint32_t i = 0; i < copy->column_count; i++) {
            struct vec *v = &c->read.columns[i];
            if (c->casts[i])
                TRY(eval_run(c->casts[i], &c->read, &v, err));
            c->input.columns[i] = *v;
            c->input.columns[i].owned = false;
        }
        from = &c->input;
        batch_all(from, c->read.count);
    }
    for (uint32_t i = 0; i < dml->set_count; i++) {
        struct vec *v;
        TRY(eval_run(c->set[i], from, &v, err));
        c->row.columns[dml->set_columns[i]] = *v;
        c->row.columns[dml->set_columns[i]].owned = false;
    }
    batch_all(&c->row, from->count);
    if (c->where)
        TRY(eval_conds_filter(c->where, &c->row, err));
out:
    if (status != KDK_OK) {
        batch_while(c, err);
        return status;
    }
    status = constraints(c, err);
    if (status != KDK_OK || !c->row.sel.count)
        return status;
    for (uint32_t i = 0; i < table->column_count; i++)
        c->stored.columns[table->columns[i].id] = c->row.columns[i];
    c->stored.count = c->row.count;
    c->stored.sel = c->row.sel;
    status = table_insert_batch(c->env->txn, table->store, &c->stored, NULL, err);
    if (status != KDK_OK)
        batch_while(c, err);
    *rows += c->row.sel.count;
    return status;
}

kdk_status copy_from(const struct bound_copy *copy, const struct exec_env *env,
                     const struct copy_io *io, uint64_t *rows, struct err *err)
{
    kdk_status status = KDK_OK;
    struct copying c = {.copy = copy, .env = env};
    const bool arrow = copy->options.format == COPY_ARROW;
    bool more;

    *rows = 0;
    c.in.io = c.arrow.in.io = io;
    if (copy->options.format == COPY_BINARY)
        TRY(err_set(err, KDK_UNSUPPORTED, "COPY format \"binary\" is not supported"));
    TRY(compile(&c, err));
    TRY(arrow ? open_arrow(&c, err) : open_csv(&c, err));
    for (;;) {
        if (env->eval.cancel &&
            atomic_load_explicit(env->eval.cancel, memory_order_relaxed))
            TRY(err_set(err, KDK_INTERRUPTED, "canceling statement due to user request"));
        arena_reset(&c.values);
        if (arrow)
            TRY(arrow_rows_next(&c.arrow, &c.read, &more, err));
        else
            TRY(csv_batch(&c.csv, c.columns, &c.values, &c.read, &more, err));
        bytes_progress(arrow ? &c.arrow.in : &c.in, io);
        if (!more)
            break;
        TRY(write_batch(&c, rows, err));
    }
    TRY(table_statement_end(env->txn, err));
out:
    if (c.read.columns)
        batch_unpin(&c.read);
    csv_deinit(&c.csv);
    bytes_close(&c.in);
    arrow_rows_close(&c.arrow);
    arena_deinit(&c.values);
    arena_deinit(&c.arena);
    return status;
}
