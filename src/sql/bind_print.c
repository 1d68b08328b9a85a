/* bind_print.c - bound trees as text: one operator a line, inputs indented below it. For
 * tests and debugging; EXPLAIN is plan's. */
#include "sql/bind_int.h"

static void print_expr(struct buf *out, const struct expr *e, uint32_t level);
static void print_rel(struct buf *out, const struct rel *rel, uint32_t level);

static void add(struct buf *out, const char *text)
{
    (void)buf_add_str(out, text); /* Failures stick in the buffer. */
}

static void indent(struct buf *out, uint32_t level)
{
    for (uint32_t i = 0; i < level; i++)
        add(out, "  ");
}

static void type(struct buf *out, struct ltype t)
{
    char name[64];
    add(out, ltype_name(t, name, sizeof name));
}

static void print_list(struct buf *out, struct expr *const *list, uint32_t count,
                       const char *between, uint32_t level)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            add(out, between);
        print_expr(out, list[i], level);
    }
}

static void print_const(struct buf *out, const struct expr *e)
{
    bool quoted = e->type.id == LT_TEXT || e->type.id == LT_UNKNOWN ||
                  e->type.id == LT_BYTEA || e->type.id == LT_DATE ||
                  e->type.id == LT_TIMESTAMP;
    if (e->value.null)
        add(out, "null");
    else {
        if (quoted)
            add(out, "'");
        (void)datum_print(e->type, &e->value, out);
        if (quoted)
            add(out, "'");
    }
    if (e->value.null || (e->type.id != LT_INTEGER && e->type.id != LT_BOOLEAN &&
                          !(e->type.id == LT_TEXT && !e->type.fixed && !e->type.length))) {
        add(out, "::");
        type(out, e->type);
    }
}

static void print_subquery(struct buf *out, const struct expr *e, uint32_t level)
{
    static const char *const kinds[] = {"scalar", "exists", "any", "all"};
    add(out, kinds[e->sub.kind]);
    add(out, "(");
    for (uint32_t i = 0; i < e->arg_count; i++) {
        print_expr(out, e->args[i], level);
        (void)buf_printf(out, " %s #%u, ", fn_table[e->sub.ops[i]].name, e->sub.columns[i]);
    }
    if (e->sub.kind == SQ_SCALAR)
        (void)buf_printf(out, "#%u ", e->sub.columns[0]);
    add(out, "of\n");
    print_rel(out, e->sub.rel, level + 2);
    indent(out, level + 1);
    add(out, ")");
}

static void print_call(struct buf *out, const struct expr *e, uint32_t level)
{
    const char *name = fn_table[e->fn].name;
    bool word = (name[0] >= 'a' && name[0] <= 'z') || name[0] == '_';
    if (!word && e->arg_count == 2) {
        add(out, "(");
        print_expr(out, e->args[0], level);
        (void)buf_printf(out, " %s ", name);
        print_expr(out, e->args[1], level);
        add(out, ")");
        return;
    }
    add(out, name);
    add(out, "(");
    print_list(out, e->args, e->arg_count, ", ", level);
    add(out, ")");
}

static void print_expr(struct buf *out, const struct expr *e, uint32_t level)
{
    switch (e->kind) {
    case EX_CONST:
        print_const(out, e);
        return;
    case EX_COLUMN:
        (void)buf_printf(out, "#%u", e->column);
        return;
    case EX_PARAM:
        (void)buf_printf(out, "$%u::", e->param + 1);
        type(out, e->type);
        return;
    case EX_CALL:
        print_call(out, e, level);
        return;
    case EX_CAST:
        add(out, e->cast_try ? "try_cast(" : "cast(");
        print_expr(out, e->args[0], level);
        add(out, e->cast_explicit && e->type.id == LT_TEXT && e->type.length ? " cut to "
                                                                             : " as ");
        type(out, e->type);
        add(out, ")");
        return;
    case EX_AND:
    case EX_OR:
        add(out, "(");
        print_list(out, e->args, e->arg_count, e->kind == EX_AND ? " and " : " or ", level);
        add(out, ")");
        return;
    case EX_NOT:
        add(out, "not ");
        print_expr(out, e->args[0], level);
        return;
    case EX_IS_NULL:
    case EX_IS_NOT_NULL:
    case EX_IS_TRUE:
        add(out, "(");
        print_expr(out, e->args[0], level);
        add(out, e->kind == EX_IS_NULL   ? " is null)"
                 : e->kind == EX_IS_TRUE ? " is true)"
                                         : " is not null)");
        return;
    case EX_IS_DISTINCT:
        add(out, "(");
        print_list(out, e->args, 2, " is distinct from ", level);
        add(out, ")");
        return;
    case EX_CASE:
        add(out, "case");
        for (uint32_t i = 0; i + 1 < e->arg_count; i += 2) {
            add(out, " when ");
            print_expr(out, e->args[i], level);
            add(out, " then ");
            print_expr(out, e->args[i + 1], level);
        }
        add(out, " else ");
        print_expr(out, e->args[e->arg_count - 1], level);
        add(out, " end");
        return;
    case EX_COALESCE:
        add(out, "coalesce(");
        print_list(out, e->args, e->arg_count, ", ", level);
        add(out, ")");
        return;
    case EX_IN:
        add(out, "(");
        print_expr(out, e->args[0], level);
        add(out, " in (");
        print_list(out, e->args + 1, e->arg_count - 1, ", ", level);
        add(out, "))");
        return;
    case EX_SUBQUERY:
        print_subquery(out, e, level);
        return;
    }
}

static void print_cols(struct buf *out, const struct relcol *cols, uint32_t count,
                       uint32_t level)
{
    for (uint32_t i = 0; i < count; i++) {
        (void)buf_printf(out, "%s#%u %s ", i ? ", " : " ", cols[i].id,
                         cols[i].name ? cols[i].name : "-");
        type(out, cols[i].type);
        if (cols[i].not_null)
            add(out, "!");
        if (cols[i].expr) {
            add(out, " = ");
            print_expr(out, cols[i].expr, level);
        }
    }
}

static void print_aggs(struct buf *out, const struct rel *rel, uint32_t level)
{
    for (uint32_t i = 0; i < rel->agg_count; i++) {
        const struct relagg *a = &rel->aggs[i];
        (void)buf_printf(out, "%s#%u ", i || rel->col_count ? ", " : " ", a->id);
        type(out, a->type);
        (void)buf_printf(out, " = %s(%s", fn_table[a->fn].name,
                         a->distinct ? "distinct " : "");
        print_list(out, a->args, a->arg_count, ", ", level);
        for (uint32_t k = 0; k < a->order_count; k++) {
            add(out, k ? ", " : " order by ");
            print_expr(out, a->order[k].expr, level);
            add(out, a->order[k].descending ? " desc" : "");
        }
        add(out, ")");
        if (a->filter) {
            add(out, " filter ");
            print_expr(out, a->filter, level);
        }
    }
}

static void print_dml(struct buf *out, const struct rel *rel, uint32_t level)
{
    const struct rel_dml *dml = rel->dml;
    (void)buf_printf(out, " %s", rel->table->name);
    if (dml->rowid)
        (void)buf_printf(out, " rowid #%u", dml->rowid);
    for (uint32_t i = 0; i < dml->set_count; i++) {
        (void)buf_printf(out, "%s%s = ", i ? ", " : " set ",
                         rel->table->columns[dml->set_columns[i]].name);
        print_expr(out, dml->set[i], level);
    }
    const char *before = " fresh";
    for (uint32_t i = 0; i < rel->table->column_count; i++)
        if (dml->fresh[i]) {
            (void)buf_printf(out, "%s #%u %s", before, dml->fresh[i],
                             rel->table->columns[i].name);
            before = ",";
        }
    before = " old";
    for (uint32_t i = 0; i < rel->table->column_count; i++)
        if (dml->old[i]) {
            (void)buf_printf(out, "%s #%u %s", before, dml->old[i],
                             rel->table->columns[i].name);
            before = ",";
        }
    for (uint32_t i = 0; i < dml->check_count; i++) {
        (void)buf_printf(out, " check %s ", dml->check_names[i]);
        print_expr(out, dml->checks[i], level);
    }
    if (dml->returning_count) {
        add(out, " returning");
        print_cols(out, dml->returning, dml->returning_count, level);
    }
}

static const char *rel_name(const struct rel *rel)
{
    static const char *const joins[] = {"inner join", "left join",  "right join",
                                        "full join",  "semi join",  "anti join",
                                        "mark join",  "single join"};
    static const char *const sets[] = {"union", "intersect", "except"};
    switch (rel->kind) {
    case REL_SCAN:
        return "scan";
    case REL_FILE:
        return "file";
    case REL_SERIES:
        return "series";
    case REL_VALUES:
        return "values";
    case REL_FILTER:
        return "filter";
    case REL_PROJECT:
        return "project";
    case REL_JOIN:
        return joins[rel->join];
    case REL_AGG:
        return "aggregate";
    case REL_DISTINCT:
        return "distinct";
    case REL_SORT:
        return "sort";
    case REL_LIMIT:
        return "limit";
    case REL_SETOP:
        return sets[rel->setop];
    case REL_CTE:
        return "with";
    case REL_CTE_REF:
        return "mention";
    case REL_INSERT:
        return "insert";
    case REL_UPDATE:
        return "update";
    case REL_DELETE:
        return "delete";
    case REL_COPY_TO:
        return "copy to";
    }
    return "?";
}

static void print_rel(struct buf *out, const struct rel *rel, uint32_t level)
{
    indent(out, level);
    add(out, rel_name(rel));
    if (rel->kind == REL_SETOP && rel->all)
        add(out, " all");
    if (rel->kind == REL_JOIN && rel->lateral)
        add(out, " lateral");
    if (rel->kind == REL_SCAN)
        (void)buf_printf(out, " %s%s%s", rel->table->name,
                         strcmp(rel->table->name, rel->alias) ? " " : "",
                         strcmp(rel->table->name, rel->alias) ? rel->alias : "");
    if (rel->kind == REL_FILE)
        (void)buf_printf(out, " '%s'", rel->path);
    if (rel->kind == REL_CTE_REF)
        (void)buf_printf(out, " %s", rel->cte->name);
    if (rel->kind == REL_SERIES) {
        add(out, " (");
        print_list(out, rel->rows[0], 3, ", ", level);
        add(out, ")");
    }
    print_cols(out, rel->cols, rel->col_count, level);
    print_aggs(out, rel, level);
    if (rel->kind == REL_VALUES && rel->col_count)
        for (uint32_t r = 0; r < rel->row_count; r++) {
            add(out, " (");
            print_list(out, rel->rows[r], rel->col_count, ", ", level);
            add(out, ")");
        }
    if (rel->kind == REL_SETOP)
        for (uint32_t i = 0; i < rel->col_count; i++)
            (void)buf_printf(out, "%s #%u|#%u", i ? "," : ":", rel->left[i], rel->right[i]);
    if (rel->cond_count) {
        add(out, rel->kind == REL_JOIN ? " on " : " ");
        print_list(out, rel->conds, rel->cond_count, " and ", level);
    }
    for (uint32_t i = 0; i < rel->key_count; i++) {
        add(out, i ? ", " : " by ");
        print_expr(out, rel->keys[i].expr, level);
        if (rel->keys[i].descending)
            add(out, " desc");
        if (rel->keys[i].nulls_first != rel->keys[i].descending)
            add(out, rel->keys[i].nulls_first ? " nulls first" : " nulls last");
    }
    if (rel->limit) {
        add(out, " ");
        print_expr(out, rel->limit, level);
    }
    if (rel->count_offset) {
        add(out, " offset ");
        print_expr(out, rel->count_offset, level);
    }
    if (rel->dml)
        print_dml(out, rel, level);
    add(out, "\n");
    for (uint32_t i = 0; i < rel->cte_count; i++) {
        indent(out, level + 1);
        (void)buf_printf(out, "%s x%u", rel->ctes[i]->name, rel->ctes[i]->ref_count);
        print_cols(out, rel->ctes[i]->columns, rel->ctes[i]->column_count, level);
        add(out, "\n");
        print_rel(out, rel->ctes[i]->rel, level + 2);
    }
    for (int i = 0; i < 2; i++)
        if (rel->in[i])
            print_rel(out, rel->in[i], level + 1);
}

kdk_status rel_print(const struct rel *rel, struct buf *out, struct err *err)
{
    print_rel(out, rel, 0);
    return buf_status(out, err);
}

kdk_status expr_print(const struct expr *expr, struct buf *out, struct err *err)
{
    print_expr(out, expr, 0);
    return buf_status(out, err);
}

/* ---- statements ---- */

static void print_index(struct buf *out, const struct bound_index *index,
                        const struct ctable *table, const struct bound_column *columns)
{
    const struct cindex *ix = &index->index;
    (void)buf_printf(out, "  %s%s (",
                     ix->primary      ? "primary key "
                     : ix->constraint ? "unique constraint "
                     : ix->unique     ? "unique index "
                                      : "index ",
                     ix->name);
    for (uint32_t i = 0; i < ix->column_count; i++)
        // cppcheck-suppress nullPointer ; of a table, or of columns of one that is not there yet
        (void)buf_printf(out, "%s%s%s%s", i ? ", " : "",
                         table ? table->columns[ix->columns[i]].name
                               : columns[ix->columns[i]].column.name,
                         ix->descending[i] ? " desc" : "",
                         ix->nulls_first[i] != ix->descending[i]
                             ? (ix->nulls_first[i] ? " nulls first" : " nulls last")
                             : "");
    add(out, ")\n");
}

static void print_column(struct buf *out, const struct bound_column *col)
{
    (void)buf_printf(out, "  %s ", col->column.name);
    type(out, col->column.type);
    if (col->column.not_null)
        add(out, " not null");
    if (col->column.default_sql)
        (void)buf_printf(out, " default %s", col->column.default_sql);
    if (col->fill) {
        add(out, " fill ");
        print_expr(out, col->fill, 0);
    }
    add(out, "\n");
}

static void print_alter(struct buf *out, const struct bound_alter *a)
{
    static const char *const kinds[] = {
        "rename table", "rename index", "rename check", "rename column", "rename schema",
        "add column",   "drop column",  "add index",    "add check",     "drop index",
        "drop check",   "set default",  "set not null", "drop not null", "view text"};
    (void)buf_printf(out, "  %s", kinds[a->kind]);
    if (a->before)
        (void)buf_printf(out, " %s", a->before->name);
    if (a->kind == ALTER_RENAME_COLUMN || a->kind == ALTER_DROP_COLUMN ||
        a->kind == ALTER_SET_DEFAULT || a->kind == ALTER_SET_NOT_NULL ||
        a->kind == ALTER_DROP_NOT_NULL)
        (void)buf_printf(out, ".%s", a->before->columns[a->position].name);
    if (a->kind == ALTER_VIEW_TEXT)
        (void)buf_printf(out, " %s", a->after->view_sql);
    if (a->index)
        (void)buf_printf(out, " %s", a->index->name);
    if (a->name)
        (void)buf_printf(out, " to %s", a->name);
    if (a->condition) {
        (void)buf_printf(out, " %s ", a->check.name);
        print_expr(out, a->condition, 0);
    }
    add(out, "\n");
    if (a->column)
        print_column(out, a->column);
    if (a->added)
        print_index(out, a->added, a->before, NULL);
}

static void print_ddl(struct buf *out, const struct bound_ddl *d)
{
    static const char *const kinds[] = {
        "nothing",  "create schema", "create table", "create view", "create index", "drop",
        "truncate", "alter",         "reindex",      "checkpoint",  "analyze"};
    add(out, kinds[d->kind]);
    if (d->name)
        (void)buf_printf(out, " %s%s%s", d->schema ? d->schema : "", d->schema ? "." : "",
                         d->name);
    else if (d->schema)
        (void)buf_printf(out, " %s", d->schema);
    for (uint32_t i = 0; i < d->table_count; i++)
        (void)buf_printf(out, " %s", d->tables[i]->name);
    for (uint32_t i = 0; i < d->dropped_index_count; i++)
        (void)buf_printf(out, " %s", d->dropped_indexes[i]->name);
    for (uint32_t i = 0; i < d->schema_count; i++)
        (void)buf_printf(out, " schema %s", d->schemas[i]);
    add(out, "\n");
    for (uint32_t i = 0; i < d->column_count; i++)
        print_column(out, &d->columns[i]);
    for (uint32_t i = 0; i < d->index_count; i++)
        print_index(out, &d->indexes[i], NULL, d->columns);
    for (uint32_t i = 0; i < d->check_count; i++)
        (void)buf_printf(out, "  check %s %s\n", d->checks[i].name, d->checks[i].sql);
    if (d->view_sql)
        (void)buf_printf(out, "  as %s\n", d->view_sql);
    if (d->index)
        print_index(out, d->index, d->index->on, NULL);
    for (uint32_t i = 0; i < d->alter_count; i++)
        print_alter(out, &d->alters[i]);
}

static void print_copy(struct buf *out, const struct bound_copy *c)
{
    static const char *const formats[] = {"text", "csv", "binary", "arrow"};
    (void)buf_printf(out, "copy %s %s %s '%s' format %s",
                     c->table ? c->table->name : "(query)", c->to ? "to" : "from",
                     c->path ? "file" : "stdio", c->path ? c->path : "",
                     formats[c->options.format]);
    if (c->options.format <= COPY_CSV)
        (void)buf_printf(out, " delimiter %d null '%s'", c->options.delimiter,
                         c->options.null_text);
    if (c->options.format == COPY_CSV)
        (void)buf_printf(out, " quote %d escape %d", c->options.quote, c->options.escape);
    if (c->options.header)
        add(out, c->options.header == COPY_HEADER_MATCH ? " header match" : " header");
    for (uint32_t i = 0; i < c->column_count; i++) {
        (void)buf_printf(out, "%s %s ", i ? "," : ":", c->names[i].name);
        type(out, c->names[i].type);
        if (c->input)
            (void)buf_printf(out, " #%u", c->input[i]);
        if (c->options.force_quote_all ||
            (c->options.force_quote && c->options.force_quote[i]))
            add(out, " quoted");
        if (c->options.force_not_null && c->options.force_not_null[i])
            add(out, " not null");
        if (c->options.force_null && c->options.force_null[i])
            add(out, " null");
    }
    for (uint32_t i = 0; c->dml && i < c->dml->set_count; i++) {
        (void)buf_printf(out, "%s%s = ", i ? ", " : " set ", c->table->columns[i].name);
        print_expr(out, c->dml->set[i], 0);
    }
    for (uint32_t i = 0; c->dml && i < c->dml->check_count; i++) {
        (void)buf_printf(out, " check %s ", c->dml->check_names[i]);
        print_expr(out, c->dml->checks[i], 0);
    }
    if (c->where) {
        add(out, " where ");
        print_expr(out, c->where, 0);
    }
    add(out, "\n");
}

kdk_status bound_print(const struct bound_stmt *stmt, struct buf *out, struct err *err)
{
    if (stmt->param_count) {
        add(out, "parameters");
        for (uint32_t i = 0; i < stmt->param_count; i++) {
            (void)buf_printf(out, "%s $%u ", i ? "," : "", i + 1);
            type(out, stmt->param_types[i]);
        }
        add(out, "\n");
    }
    if (stmt->ddl)
        print_ddl(out, stmt->ddl);
    if (stmt->copy)
        print_copy(out, stmt->copy);
    if (stmt->root && stmt->column_count) {
        add(out, "result");
        print_cols(out, stmt->columns, stmt->column_count, 0);
        add(out, "\n");
    }
    if (stmt->root)
        print_rel(out, stmt->root, 0);
    return buf_status(out, err);
}
