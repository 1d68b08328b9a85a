/* explain.c - the plan as text, in PostgreSQL's look. */
#include "base/buf.h"
#include "exec/exec_int.h"
#include "exec/keyfilter.h"

#include <stdatomic.h>

static const char *join_word(enum join_kind kind)
{
    switch (kind) {
    case JOIN_INNER:
        return "";
    case JOIN_LEFT:
        return " Left";
    case JOIN_RIGHT:
        return " Right";
    case JOIN_FULL:
        return " Full";
    case JOIN_SEMI:
        return " Semi";
    case JOIN_ANTI:
        return " Anti";
    case JOIN_MARK:
        return " Mark";
    case JOIN_SINGLE:
        return " Single";
    }
    return "";
}

/* Where a column is made, by what name or as what expression. */
struct made {
    const char *name;
    const struct expr *expr;
};

static bool column_made(const struct rel *rel, colid id, struct made *out)
{
    for (uint32_t i = 0; i < rel->col_count; i++) {
        if (rel->cols[i].id != id)
            continue;
        *out = (struct made){rel->cols[i].name, rel->cols[i].expr};
        /* Names that the binder and plan give to what has none. */
        bool own = out->name && strcmp(out->name, "?column?") != 0 &&
                   strcmp(out->name, "order") != 0 && strcmp(out->name, "group") != 0;
        if (own)
            out->expr = NULL;
        else
            out->name = NULL;
        if (!own && rel->kind == REL_CTE_REF && i < rel->cte->column_count)
            return column_made(rel->cte->rel, rel->cte->columns[i].id, out);
        return true;
    }
    for (uint32_t i = 0; i < rel->agg_count; i++)
        if (rel->aggs[i].id == id) {
            *out = (struct made){fn_table[rel->aggs[i].fn].name, NULL};
            return true;
        }
    if (rel->kind == REL_JOIN && rel->join == JOIN_MARK && rel->mark == id) {
        *out = (struct made){"mark", NULL};
        return true;
    }
    for (uint32_t i = 0; i < rel->cte_count; i++)
        if (column_made(rel->ctes[i]->rel, id, out))
            return true;
    for (uint32_t i = 0; i < 2; i++)
        if (rel->in[i] && column_made(rel->in[i], id, out))
            return true;
    return false;
}

static void list_print(struct buf *out, const struct rel *root, struct expr *const *list,
                       uint32_t count, const char *between);

/* Failing to add sticks in the buffer and is reported at the end. */
#define ADD(...) (void)!(buf_printf(out, __VA_ARGS__) == KDK_OK)

static void expr_print(struct buf *out, const struct rel *root, const struct expr *e)
{
    struct made made = {0};
    char type[64];
    switch (e->kind) {
    case EX_CONST:
        if (e->value.null) {
            ADD("NULL");
        } else {
            bool quote = ltype_is_string(e->type) || e->type.id == LT_DATE ||
                         e->type.id == LT_TIMESTAMP;
            ADD("%s", quote ? "'" : "");
            (void)!(datum_print(e->type, &e->value, out) == KDK_OK);
            ADD("%s", quote ? "'" : "");
        }
        break;
    case EX_COLUMN:
        if (column_made(root, e->column, &made) && made.name)
            ADD("%s", made.name);
        else if (made.expr)
            expr_print(out, root, made.expr);
        else
            ADD("#%u", e->column);
        break;
    case EX_PARAM:
        ADD("$%u", e->param + 1);
        break;
    case EX_CALL: {
        const char *fn = fn_table[e->fn].name;
        bool operator= !((fn[0] >= 'a' && fn[0] <= 'z') || fn[0] == '_');
        if (operator&& e->arg_count == 2) {
            ADD("(");
            expr_print(out, root, e->args[0]);
            ADD(" %s ", fn);
            expr_print(out, root, e->args[1]);
            ADD(")");
        } else {
            ADD("%s(", fn);
            list_print(out, root, e->args, e->arg_count, ", ");
            ADD(")");
        }
        break;
    }
    case EX_CAST:
        ADD("(");
        expr_print(out, root, e->args[0]);
        ADD(")::%s", ltype_name(e->type, type, sizeof type));
        break;
    case EX_AND:
    case EX_OR:
        ADD("(");
        list_print(out, root, e->args, e->arg_count, e->kind == EX_AND ? " AND " : " OR ");
        ADD(")");
        break;
    case EX_NOT:
        ADD("(NOT ");
        expr_print(out, root, e->args[0]);
        ADD(")");
        break;
    case EX_IS_NULL:
    case EX_IS_NOT_NULL:
    case EX_IS_TRUE:
        ADD("(");
        expr_print(out, root, e->args[0]);
        ADD(" %s)", e->kind == EX_IS_NULL   ? "IS NULL"
                    : e->kind == EX_IS_TRUE ? "IS TRUE"
                                            : "IS NOT NULL");
        break;
    case EX_IS_DISTINCT:
        ADD("(");
        list_print(out, root, e->args, 2, " IS DISTINCT FROM ");
        ADD(")");
        break;
    case EX_CASE:
        ADD("CASE");
        for (uint32_t i = 0; i + 1 < e->arg_count; i += 2) {
            ADD(" WHEN ");
            expr_print(out, root, e->args[i]);
            ADD(" THEN ");
            expr_print(out, root, e->args[i + 1]);
        }
        ADD(" ELSE ");
        expr_print(out, root, e->args[e->arg_count - 1]);
        ADD(" END");
        break;
    case EX_COALESCE:
        ADD("COALESCE(");
        list_print(out, root, e->args, e->arg_count, ", ");
        ADD(")");
        break;
    case EX_IN:
        ADD("(");
        expr_print(out, root, e->args[0]);
        ADD(" IN (");
        list_print(out, root, e->args + 1, e->arg_count - 1, ", ");
        ADD("))");
        break;
    case EX_SUBQUERY:
        ADD("(subquery)");
        break;
    }
}

static void list_print(struct buf *out, const struct rel *root, struct expr *const *list,
                       uint32_t count, const char *between)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            ADD("%s", between);
        expr_print(out, root, list[i]);
    }
}

static void line(struct buf *out, uint32_t indent)
{
    ADD("%*s", (int)indent, "");
}

/* What of an index is read: values of its first columns, and a range of the one behind
 * them. */
static void index_conds_print(struct buf *out, const struct rel *root,
                              const struct rel *scan)
{
    const struct cindex *index = scan->phys.index;
    const char *between = "(";
    for (uint32_t i = 0; i < scan->phys.eq_count; i++, between = " AND (") {
        ADD("%s%s = ", between, scan->table->columns[index->columns[i]].name);
        expr_print(out, root, scan->phys.eq[i]);
        ADD(")");
    }
    const struct expr *const ends[] = {scan->phys.lower, scan->phys.upper};
    for (uint32_t i = 0; i < 2; i++) {
        if (!ends[i])
            continue;
        const bool open = i ? scan->phys.upper_open : scan->phys.lower_open;
        ADD("%s%s %s ", between,
            scan->table->columns[index->columns[scan->phys.eq_count]].name,
            i ? (open ? "<" : "<=") : (open ? ">" : ">="));
        expr_print(out, root, ends[i]);
        ADD(")");
        between = " AND (";
    }
}

static void rel_print(struct buf *out, const struct rel *root, const struct rel *rel,
                      const struct exec *exec, const struct explain_options *options,
                      uint32_t indent, bool child)
{
    const char *title = NULL;
    const struct xop *op = NULL;

    ADD("%*s%s", (int)indent, "", child ? "->  " : "");
    indent += child ? 6 : 2;
    switch (rel->kind) {
    case REL_SCAN:
        if (rel->phys.index)
            ADD("Index Scan using %s on %s", rel->phys.index->name, rel->table->name);
        else
            ADD("Seq Scan on %s", rel->table->name);
        if (rel->alias && strcmp(rel->alias, rel->table->name) != 0)
            ADD(" %s", rel->alias);
        break;
    case REL_FILE:
        ADD("File Scan on %s", rel->path);
        break;
    case REL_SERIES:
        title = "Function Scan on generate_series";
        break;
    case REL_VALUES:
        title = rel->col_count ? "Values Scan" : "Result";
        break;
    case REL_FILTER:
        title = "Filter";
        break;
    case REL_PROJECT:
        title = "Project";
        break;
    case REL_JOIN:
        ADD("%s%s%s Join", rel->phys.method == JM_HASH ? "Hash" : "Nested Loop",
            rel->phys.build_left ? " Right" : "", join_word(rel->join));
        break;
    case REL_AGG:
        title = rel->col_count ? "HashAggregate" : "Aggregate";
        break;
    case REL_DISTINCT:
        title = rel->limit || rel->count_offset ? "Limit By Key"
                : rel->key_count                ? "Unique"
                                                : "HashAggregate";
        break;
    case REL_SORT:
        title = rel->limit ? "Top-N Sort" : "Sort";
        break;
    case REL_LIMIT:
        title = "Limit";
        break;
    case REL_SETOP:
        title = rel->setop == SETOP_UNION && rel->all ? "Append" : "HashSetOp";
        break;
    case REL_CTE:
        title = "With";
        break;
    case REL_CTE_REF:
        ADD("CTE Scan on %s", rel->cte->name);
        break;
    case REL_INSERT:
    case REL_UPDATE:
    case REL_DELETE:
        ADD("%s on %s",
            rel->kind == REL_INSERT   ? "Insert"
            : rel->kind == REL_UPDATE ? "Update"
                                      : "Delete",
            rel->table->name);
        break;
    case REL_COPY_TO:
        title = "Copy";
        break;
    }
    if (title)
        ADD("%s", title);
    if (options->costs)
        ADD("  (rows=%.0f)", rel->phys.rows);
    if (exec) {
        for (op = exec->all_ops; op && op->rel != rel; op = op->all_next) {
        }
        if (op)
            ADD(" (actual rows=%llu", (unsigned long long)atomic_load(&op->rows));
        if (op && options->timing)
            ADD(" time=%.3f ms", (double)atomic_load(&op->ns) / 1e6);
        ADD("%s", op ? ")" : "");
    }
    ADD("\n");
    for (const struct keyfilter_use *use = exec ? exec->filters : NULL; use;
         use = use->next) {
        if (use->scan != rel)
            continue;
        line(out, indent);
        ADD("Rows Removed by Keys of ");
        expr_print(out, root,
                   &(struct expr){.kind = EX_COLUMN,
                                  .type = use->filter->type,
                                  .column = use->column});
        ADD(": %llu\n", (unsigned long long)atomic_load(&use->dropped));
    }
    if (rel->kind == REL_SCAN && rel->phys.index) {
        line(out, indent);
        ADD("Index Cond: ");
        index_conds_print(out, root, rel);
        ADD("\n");
    }
    if (rel->phys.equi_count) {
        line(out, indent);
        ADD("Hash Cond: ");
        for (uint32_t i = 0; i < rel->phys.equi_count; i++) {
            ADD(i ? " AND (" : "(");
            expr_print(out, root, rel->phys.left_keys[i]);
            ADD(rel->phys.null_safe && rel->phys.null_safe[i] ? " IS NOT DISTINCT FROM "
                                                              : " = ");
            expr_print(out, root, rel->phys.right_keys[i]);
            ADD(")");
        }
        ADD("\n");
    }
    if (rel->cond_count) {
        line(out, indent);
        ADD(rel->kind == REL_JOIN ? "Join Filter: " : "Filter: ");
        list_print(out, root, rel->conds, rel->cond_count, " AND ");
        ADD("\n");
    }
    if (rel->kind == REL_AGG && rel->col_count) {
        line(out, indent);
        ADD("Group Key: ");
        for (uint32_t i = 0; i < rel->col_count; i++) {
            ADD(i ? ", " : "");
            expr_print(out, root, rel->cols[i].expr);
        }
        ADD("\n");
    }
    if (rel->key_count) {
        line(out, indent);
        ADD("%s: ", rel->kind == REL_SORT ? "Sort Key" : "Key");
        for (uint32_t i = 0; i < rel->key_count; i++) {
            ADD(i ? ", " : "");
            expr_print(out, root, rel->keys[i].expr);
            ADD("%s", rel->keys[i].descending ? " DESC" : "");
        }
        ADD("\n");
    }
    for (uint32_t i = 0; i < rel->cte_count; i++) {
        line(out, indent);
        ADD("CTE %s\n", rel->ctes[i]->name);
        rel_print(out, root, rel->ctes[i]->rel, exec, options, indent + 2, true);
    }
    for (uint32_t i = 0; i < 2; i++)
        if (rel->in[i])
            rel_print(out, root, rel->in[i], exec, options, indent, true);
}

kdk_status exec_explain(const struct bound_stmt *stmt, const struct exec *exec,
                        const struct explain_options *options, struct buf *out,
                        struct err *err)
{
    rel_print(out, stmt->root, stmt->root, exec, options, 0, false);
    return buf_status(out, err);
}
