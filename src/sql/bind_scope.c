/* bind_scope.c - what a name means at the place where it stands. */
#include "sql/bind_int.h"

#include <stdio.h>

void scope_init(struct binder *b, struct scope *scope, struct scope *outer)
{
    memset(scope, 0, sizeof *scope);
    scope->outer = outer;
    scope->id = b->scope_next++;
    scope->clause = CLAUSE_SELECT;
}

const char *clause_text(enum clause clause)
{
    switch (clause) {
    case CLAUSE_NONE:
        return "this context";
    case CLAUSE_SELECT:
        return "SELECT";
    case CLAUSE_FROM_FUNCTION:
        return "functions in FROM";
    case CLAUSE_ON:
        return "JOIN/ON";
    case CLAUSE_WHERE:
        return "WHERE";
    case CLAUSE_GROUP_BY:
        return "GROUP BY";
    case CLAUSE_HAVING:
        return "HAVING";
    case CLAUSE_ORDER_BY:
        return "ORDER BY";
    case CLAUSE_DISTINCT_ON:
        return "DISTINCT ON";
    case CLAUSE_LIMIT:
        return "LIMIT";
    case CLAUSE_OFFSET:
        return "OFFSET";
    case CLAUSE_VALUES:
        return "VALUES";
    case CLAUSE_INSERT:
        return "INSERT";
    case CLAUSE_UPDATE:
        return "UPDATE";
    case CLAUSE_RETURNING:
        return "RETURNING";
    case CLAUSE_FILTER:
        return "FILTER";
    case CLAUSE_DEFAULT:
        return "DEFAULT expressions";
    case CLAUSE_CHECK:
        return "check constraints";
    case CLAUSE_USING:
        return "transform expressions";
    case CLAUSE_COPY_WHERE:
        return "COPY FROM WHERE conditions";
    case CLAUSE_EXECUTE:
        return "EXECUTE parameters";
    }
    return "";
}

/* ---- name spaces ---- */

static kdk_status ns_grow(struct binder *b, struct ns *ns, uint32_t rels, uint32_t cols)
{
    kdk_status status = KDK_OK;
    struct scope_rel **r = ARRAY(struct scope_rel *, (size_t)ns->rel_count + rels + 1);
    struct scope_col **c = ARRAY(struct scope_col *, (size_t)ns->count + cols + 1);
    TRY_NEW(r);
    TRY_NEW(c);
    if (ns->rel_count)
        memcpy(r, ns->rels, ns->rel_count * sizeof *r);
    if (ns->count)
        memcpy(c, ns->cols, ns->count * sizeof *c);
    ns->rels = r;
    ns->cols = c;
out:
    return status;
}

kdk_status ns_add_rel(struct binder *b, struct ns *ns, struct scope_rel *rel, uint32_t at)
{
    kdk_status status = KDK_OK;
    for (uint32_t i = 0; i < ns->rel_count; i++)
        if (rel->alias && ns->rels[i]->alias &&
            strcmp(ns->rels[i]->alias, rel->alias) == 0 &&
            !(ns->rels[i]->schema && rel->schema &&
              strcmp(ns->rels[i]->schema, rel->schema) != 0))
            FAIL_AT(bind_at(b, at), KDK_DUPLICATE_ALIAS,
                    "table name \"%s\" specified more than once", rel->alias);
    TRY(ns_grow(b, ns, 1, rel->count));
    ns->rels[ns->rel_count++] = rel;
    for (uint32_t i = 0; i < rel->count; i++)
        ns->cols[ns->count++] = &rel->cols[i];
out:
    return status;
}

kdk_status ns_join(struct binder *b, const struct ns *left, const struct ns *right,
                   struct ns *out, uint32_t at)
{
    kdk_status status = KDK_OK;
    struct ns joined = *left;
    TRY(ns_grow(b, &joined, right->rel_count, right->count));
    for (uint32_t i = 0; i < right->rel_count; i++) {
        const struct scope_rel *r = right->rels[i];
        for (uint32_t k = 0; k < left->rel_count; k++) {
            const struct scope_rel *l = left->rels[k];
            if (l->alias && r->alias && strcmp(l->alias, r->alias) == 0 &&
                !(l->schema && r->schema && strcmp(l->schema, r->schema) != 0))
                FAIL_AT(bind_at(b, at), KDK_DUPLICATE_ALIAS,
                        "table name \"%s\" specified more than once", r->alias);
        }
        joined.rels[joined.rel_count++] = right->rels[i];
    }
    for (uint32_t i = 0; i < right->count; i++)
        joined.cols[joined.count++] = right->cols[i];
    *out = joined;
out:
    return status;
}

const struct scope_col *ns_find(const struct ns *ns, const char *name, uint32_t *count)
{
    const struct scope_col *found = NULL;
    *count = 0;
    for (uint32_t i = 0; i < ns->count; i++)
        if (ns->cols[i]->name && strcmp(ns->cols[i]->name, name) == 0) {
            found = ns->cols[i];
            ++*count;
        }
    return found;
}

/* ---- hints ---- */

/* Levenshtein's distance, given up above `max`. */
static uint32_t distance(const char *a, const char *b, uint32_t max)
{
    uint32_t row[IDENTIFIER_BYTES_MAX + 2];
    size_t n = strlen(a), m = strlen(b);
    if (n > IDENTIFIER_BYTES_MAX || m > IDENTIFIER_BYTES_MAX ||
        (n > m ? n - m : m - n) > max)
        return max + 1;
    for (size_t j = 0; j <= m; j++)
        row[j] = (uint32_t)j;
    for (size_t i = 1; i <= n; i++) {
        uint32_t diagonal = row[0];
        row[0] = (uint32_t)i;
        for (size_t j = 1; j <= m; j++) {
            uint32_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = MIN(change, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[m];
}

/* As PostgreSQL: names at most half different, the closest one; nothing when several are as
 * close. */
static void hint_column(struct binder *b, struct scope *scope, const char *rel_name,
                        const char *name)
{
    uint32_t best = (uint32_t)strlen(name) / 2, ties = 0;
    const struct scope_rel *rel = NULL;
    const char *column = NULL;
    if (best > 3)
        best = 3;
    for (; scope; scope = scope->outer)
        for (uint32_t i = 0; i < scope->ns.rel_count; i++) {
            const struct scope_rel *r = scope->ns.rels[i];
            if (!r->alias || (rel_name && strcmp(rel_name, r->alias) != 0))
                continue;
            for (uint32_t k = 0; k < r->count; k++) {
                uint32_t d = distance(name, r->cols[k].name, best);
                if (d < best || (d == best && !ties)) {
                    best = d;
                    ties = 1;
                    rel = r;
                    column = r->cols[k].name;
                } else if (d == best) {
                    ties++;
                }
            }
        }
    if (ties == 1)
        err_hint(b->err, "Perhaps you meant to reference the column \"%s.%s\".", rel->alias,
                 column);
}

/* ---- columns ---- */

kdk_status scope_mention(struct binder *b, struct scope *scope, const struct scope_col *col,
                         uint32_t at, struct expr **out)
{
    kdk_status status = KDK_OK;
    struct expr *e;
    scope->referenced = true;
    if (col->merged) {
        TRY_NEW(e = expr_copy(b, col->merged));
        e->offset = bind_at(b, at);
        *out = e;
        return KDK_OK;
    }
    TRY_NEW(e = expr_column(b, col->id, col->type, at));
    *out = e;
out:
    return status;
}

static bool rel_named(const struct scope_rel *rel, const char *schema, const char *name)
{
    if (!rel->alias || strcmp(rel->alias, name) != 0)
        return false;
    return !schema || (rel->schema && strcmp(rel->schema, schema) == 0);
}

kdk_status scope_find_rel(struct binder *b, struct scope *scope,
                          const struct ast_name *name, uint32_t parts, uint32_t at,
                          struct scope **where, struct scope_rel **out)
{
    kdk_status status = KDK_OK;
    const char *schema = parts > 1 ? name->parts[parts - 2].text : NULL;
    const char *rel = name->parts[parts - 1].text;
    struct scope *s;
    bool hidden = false;

    for (s = scope; s; s = s->outer)
        for (uint32_t i = 0; i < s->ns.rel_count; i++)
            if (rel_named(s->ns.rels[i], schema, rel)) {
                if (s->ns.rels[i]->hidden) {
                    hidden = true;
                    continue;
                }
                *where = s;
                *out = s->ns.rels[i];
                return KDK_OK;
            }
    if (hidden) {
        status = err_set(b->err, KDK_UNDEFINED_TABLE,
                         "invalid reference to FROM-clause entry for table \"%s\"", rel);
        err_hint(b->err,
                 "There is an entry for table \"%s\", but it cannot be referenced from "
                 "this part of the query.",
                 rel);
        err_at(b->err, bind_at(b, at));
        goto out;
    }
    status = err_set(b->err, KDK_UNDEFINED_TABLE,
                     "missing FROM-clause entry for table \"%s\"", rel);
    err_at(b->err, bind_at(b, at));
    /* FROM t AS a ... t.x: the table is there, under another name. */
    for (s = scope; s; s = s->outer)
        for (uint32_t i = 0; i < s->ns.rel_count; i++) {
            const struct scope_rel *r = s->ns.rels[i];
            if (r->table && r->alias && strcmp(r->table->name, rel) == 0 &&
                strcmp(r->alias, rel) != 0) {
                status =
                    err_set(b->err, KDK_UNDEFINED_TABLE,
                            "invalid reference to FROM-clause entry for table \"%s\"", rel);
                err_hint(b->err, "Perhaps you meant to reference the table alias \"%s\".",
                         r->alias);
                err_at(b->err, bind_at(b, at));
                goto out;
            }
        }
out:
    return status;
}

static kdk_status no_columns(struct binder *b, struct scope *scope, const char *name,
                             uint32_t at)
{
    kdk_status status = KDK_OK;
    if (scope->clause == CLAUSE_DEFAULT)
        FAIL_AT(bind_at(b, at), KDK_UNSUPPORTED,
                "cannot use column reference in DEFAULT expression");
    FAIL_AT(bind_at(b, at), KDK_UNDEFINED_COLUMN, "column \"%s\" does not exist", name);
out:
    return status;
}

kdk_status scope_column(struct binder *b, struct scope *scope, const struct ast_name *name,
                        uint32_t at, struct expr **out)
{
    kdk_status status = KDK_OK;
    const char *column = ast_last(name)->text;

    if (scope->no_columns)
        return no_columns(b, scope, column, at);
    if (name->count == 1) {
        for (struct scope *s = scope; s; s = s->outer) {
            uint32_t count;
            const struct scope_col *col = ns_find(&s->ns, column, &count);
            if (count > 1)
                FAIL_AT(bind_at(b, at), KDK_AMBIGUOUS_COLUMN,
                        "column reference \"%s\" is ambiguous", column);
            if (col)
                return scope_mention(b, s, col, at, out);
        }
        /* SELECT t FROM t: a row as a value. */
        for (struct scope *s = scope; s; s = s->outer)
            for (uint32_t i = 0; i < s->ns.rel_count; i++)
                if (rel_named(s->ns.rels[i], NULL, column))
                    FAIL_AT(bind_at(b, at), KDK_UNSUPPORTED,
                            "the row of table \"%s\" as a value is not supported", column);
        status =
            err_set(b->err, KDK_UNDEFINED_COLUMN, "column \"%s\" does not exist", column);
        hint_column(b, scope, NULL, column);
        err_at(b->err, bind_at(b, at));
        goto out;
    }
    if (name->count > 3)
        FAIL_AT(bind_at(b, at), KDK_UNSUPPORTED,
                "cross-database references are not implemented: %s",
                bind_name_text(b, name));

    struct scope *where;
    struct scope_rel *rel;
    const struct scope_col *found = NULL;
    TRY(scope_find_rel(b, scope, name, name->count - 1, at, &where, &rel));
    for (uint32_t i = 0; i < rel->count; i++)
        if (strcmp(rel->cols[i].name, column) == 0) {
            if (found)
                FAIL_AT(bind_at(b, at), KDK_AMBIGUOUS_COLUMN,
                        "column reference \"%s\" is ambiguous", column);
            found = &rel->cols[i];
        }
    if (!found) {
        status = err_set(b->err, KDK_UNDEFINED_COLUMN, "column %s.%s does not exist",
                         rel->alias, column);
        hint_column(b, scope, rel->alias, column);
        err_at(b->err, bind_at(b, at));
        goto out;
    }
    TRY(scope_mention(b, where, found, at, out));
out:
    return status;
}

/* ---- tables ---- */

uint32_t table_column(const struct ctable *table, const char *name)
{
    for (uint32_t i = 0; i < table->column_count; i++)
        if (strcmp(table->columns[i].name, name) == 0)
            return i;
    return UINT32_MAX;
}

const char *bind_name_text(struct binder *b, const struct ast_name *name)
{
    const char *text = name->parts[0].text;
    for (uint32_t i = 1; i < name->count; i++) {
        const char *longer = arena_printf(b->arena, "%s.%s", text, name->parts[i].text);
        if (!longer)
            return text; /* Part of a message: better than none. */
        text = longer;
    }
    return text;
}

static const char *const default_path[] = {"public"};

static void search_path(const struct binder *b, const char *const **path, uint32_t *count)
{
    /* Stored text has its names qualified, or means the default. */
    bool given = b->env->search_path != NULL && !b->stored;
    *path = given ? b->env->search_path : default_path;
    *count = given ? b->env->search_path_count : COUNT_OF(default_path);
}

kdk_status bind_table_maybe(struct binder *b, const struct ast_name *name,
                            const struct ctable **out)
{
    kdk_status status = KDK_OK;
    const char *text = ast_last(name)->text;
    *out = NULL;
    if (name->count > 2)
        FAIL_AT(bind_at(b, name->at), KDK_UNSUPPORTED,
                "cross-database references are not implemented: \"%s\"",
                bind_name_text(b, name));
    if (name->count == 2) {
        *out = catver_table(b->env->catver, name->parts[0].text, text);
        return KDK_OK;
    }
    const char *const *path;
    uint32_t count;
    search_path(b, &path, &count);
    for (uint32_t i = 0; i < count && !*out; i++)
        *out = catver_table(b->env->catver, path[i], text);
    if (!*out) {
        *out = catver_table(b->env->catver, NULL, text);
        if (*out && !(*out)->system)
            *out = NULL; /* In public, which the path does not have. */
    }
out:
    return status;
}

kdk_status bind_table_name(struct binder *b, const struct ast_name *name,
                           const struct ctable **out)
{
    kdk_status status = KDK_OK;
    TRY(bind_table_maybe(b, name, out));
    if (!*out)
        FAIL_AT(bind_at(b, name->at), KDK_UNDEFINED_TABLE, "relation \"%s\" does not exist",
                bind_name_text(b, name));
out:
    return status;
}

kdk_status bind_new_name(struct binder *b, const struct ast_name *name, const char **schema,
                         const char **object)
{
    kdk_status status = KDK_OK;
    const char *const *path;
    uint32_t count;

    *object = ast_last(name)->text;
    *schema = NULL;
    if (name->count > 2)
        FAIL_AT(bind_at(b, name->at), KDK_UNSUPPORTED,
                "cross-database references are not implemented: \"%s\"",
                bind_name_text(b, name));
    if (name->count == 2) {
        *schema = name->parts[0].text;
        if (!catver_schema_exists(b->env->catver, *schema))
            FAIL_AT(bind_at(b, name->at), KDK_UNDEFINED_SCHEMA,
                    "schema \"%s\" does not exist", *schema);
    } else {
        search_path(b, &path, &count);
        for (uint32_t i = 0; i < count && !*schema; i++)
            if (catver_schema_exists(b->env->catver, path[i]))
                *schema = path[i];
        if (!*schema)
            FAIL_AT(bind_at(b, name->at), KDK_UNDEFINED_SCHEMA,
                    "no schema has been selected to create in");
    }
    if (strcmp(*schema, "information_schema") == 0 || strncmp(*schema, "pg_", 3) == 0)
        FAIL_AT(bind_at(b, name->at), KDK_PRIVILEGE, "permission denied for schema %s",
                *schema);
    TRY_NEW(*schema = arena_strdup(b->arena, *schema));
out:
    return status;
}
