/* bind_int.h - what the binder's files share.
 *
 *   bind.c        statements, parameters, stored expressions
 *   bind_type.c   types: conversions, literals, common types, NUMERIC's modifiers
 *   bind_scope.c  names: what a column reference means
 *   bind_expr.c   expressions
 *   bind_name.c   what a column of the result is called
 *   bind_call.c   functions and aggregates
 *   bind_query.c  SELECT, VALUES, set operations, WITH
 *   bind_group.c  GROUP BY: what may stand above an aggregation
 *   bind_from.c   FROM: tables, views, files, joins
 *   bind_dml.c    INSERT, UPDATE, DELETE
 *   bind_ddl.c    CREATE
 *   bind_drop.c   DROP, and which views stand on what
 *   bind_alter.c  ALTER TABLE
 *   bind_rewrite.c  views' texts when what they name changes its name
 *   bind_copy.c   COPY
 *   bind_walk.c   copies, comparisons and walks of trees
 *   bind_print.c  trees as text
 */
#ifndef KDK_SQL_BIND_INT_H
#define KDK_SQL_BIND_INT_H

#include "base/arena.h"
#include "base/err.h"
#include "sql/bind.h"
#include "sql/parse.h"

/* ---- the statement's state ---- */

struct scope;
struct cte;

/* What is known of a column id. */
struct colinfo {
    const char *relation; /* Alias of what made it; NULL for computed ones. */
    const char *name;
    /* The FROM that it came from (struct scope.id); 0: an aggregation or an output. */
    uint32_t scope;
    uint32_t column;            /* Position in `table`. */
    const struct ctable *table; /* Or NULL. */
    struct scope_rel *rel;
    bool aggregate; /* The result of an aggregate of `scope`. */
    /* Outputs of SELECT and VALUES: patched when an untyped literal gets its type. */
    struct relcol *maker;
    bool used;
};

/* Where a view being created has names that must be written out: see bind_ddl.c. */
struct star_note {
    struct ast_select *select;
    struct ast_items items;
    struct star_note *next;
};
struct table_note {
    struct ast_from *from;
    const struct ctable *table;
    /* Swapped in while the text is printed; count 0: it says its schema itself. */
    struct ast_name qualified;
    struct rel *scan;
    struct table_note *next;
};

/* public.t.a: its schema goes when t becomes an alias (bind_rewrite.c). */
struct name_note {
    struct ast_name *name;
    struct name_note *next;
};

/* What the binder makes from one text several times could double at each level: views over
 * views, BETWEEN in BETWEEN. Past this many nodes the statement is too complex (54001). */
enum { BIND_REPEATS_MAX = 200000 };

struct binder {
    const struct bind_env *env;
    struct arena *arena;
    struct err *err;
    const struct ast_stmt *stmt;
    colid next;
    struct colinfo *cols;
    uint32_t col_cap;
    uint32_t scope_next;
    uint32_t depth;
    uint32_t view_depth;
    /* Something is being bound once more: BETWEEN's argument, a CTE at its second
     * mention. */
    uint32_t repeating;
    uint32_t repeats; /* Nodes that were made so, or from views: see BIND_REPEATS_MAX. */
    /* In a view or another stored text: the offset that all its nodes get. */
    uint32_t view_at;
    bool stored; /* ... whether that is so. */
    struct ltype *params;
    uint32_t *param_at; /* Where each was first seen. */
    uint32_t param_count, param_cap;
    struct cte *ctes;    /* In sight, innermost first. */
    struct cte *cte_now; /* Whose query is being bound, or NULL. */
    bool note_names;     /* Keep star_notes and table_notes. */
    struct star_note *stars;
    struct table_note *tables;
    struct name_note *names;
};

#define NEW(T)      ARENA_NEW(b->arena, T)
#define ARRAY(T, N) ARENA_ARRAY(b->arena, T, (size_t)(N))
#define TRY_NEW(P)                                                                         \
    do {                                                                                   \
        if (__builtin_expect((P) == NULL, 0)) {                                            \
            status = err_nomem(b->err);                                                    \
            goto out;                                                                      \
        }                                                                                  \
    } while (0)
/* An error at a place in the text. */
#define FAIL_AT(AT, STATUS, ...)                                                           \
    do {                                                                                   \
        status = err_set(b->err, (STATUS), __VA_ARGS__);                                   \
        err_at(b->err, (AT));                                                              \
        goto out;                                                                          \
    } while (0)
#define TRY_AT(AT, CALL)                                                                   \
    do {                                                                                   \
        status = (CALL);                                                                   \
        if (__builtin_expect(status != KDK_OK, 0)) {                                       \
            err_at(b->err, (AT));                                                          \
            goto out;                                                                      \
        }                                                                                  \
    } while (0)

kdk_status binder_init(struct binder *b, const struct bind_env *env,
                       const struct ast_stmt *stmt, struct arena *arena,
                       struct err *err) KDK_MUST_CHECK;
/* One level deeper: 54001. */
kdk_status bind_enter(struct binder *b, uint32_t at) KDK_MUST_CHECK;
static inline void bind_leave(struct binder *b)
{
    b->depth--;
}
/* The offset that a node made for this place gets. */
static inline uint32_t bind_at(const struct binder *b, uint32_t at)
{
    return b->stored ? b->view_at : at;
}
/* A new column id, its colinfo zeroed. 0: out of memory. */
colid bind_colid(struct binder *b);
kdk_status bind_repeat(struct binder *b, uint32_t nodes, uint32_t at) KDK_MUST_CHECK;
void bind_notice(const struct binder *b, const char *sqlstate, const char *format, ...)
    KDK_PRINTF(3, 4);

/* ---- names ---- */

struct scope_col {
    const char *name;
    colid id;
    struct ltype type;
    bool not_null;
    struct expr *merged; /* JOIN USING: copied at each mention; id is then 0. */
};
/* What a qualified name finds: a table, a subquery, a join with an alias. */
struct scope_rel {
    const char *alias;
    const char *schema; /* Tables without an alias, which `schema.table.column` may name. */
    uint32_t count;
    struct scope_col *cols;
    const struct ctable *table;
    bool hidden; /* Named, but out of reach here: for a better message. */
};
/* What FROM offers: relations by name, and columns without one, in the order of `*`. */
struct ns {
    uint32_t rel_count;
    struct scope_rel **rels;
    uint32_t count;
    struct scope_col **cols;
};

enum clause {
    CLAUSE_NONE,
    CLAUSE_SELECT,
    CLAUSE_FROM_FUNCTION,
    CLAUSE_ON,
    CLAUSE_WHERE,
    CLAUSE_GROUP_BY,
    CLAUSE_HAVING,
    CLAUSE_ORDER_BY,
    CLAUSE_DISTINCT_ON,
    CLAUSE_LIMIT,
    CLAUSE_OFFSET,
    CLAUSE_VALUES,
    CLAUSE_INSERT,
    CLAUSE_UPDATE,
    CLAUSE_RETURNING,
    CLAUSE_FILTER,
    CLAUSE_DEFAULT,
    CLAUSE_CHECK,
    CLAUSE_USING,
    CLAUSE_COPY_WHERE,
    CLAUSE_EXECUTE,
};
const char *clause_text(enum clause clause); /* "WHERE" */

struct scope {
    struct scope *outer;
    struct ns ns;
    uint32_t id;
    enum clause clause;
    bool no_subqueries; /* DEFAULT, CHECK, ... */
    bool no_columns;
    bool referenced; /* A column was found here: for LATERAL. */
    bool select;     /* Aggregates can belong to it. */
    uint32_t agg_count, agg_cap;
    struct relagg *aggs;
};
void scope_init(struct binder *b, struct scope *scope, struct scope *outer);
/* with its columns */
kdk_status ns_add_rel(struct binder *b, struct ns *ns, struct scope_rel *rel,
                      uint32_t at) KDK_MUST_CHECK;
/* a then b. 42712 for a name in both. */
kdk_status ns_join(struct binder *b, const struct ns *left, const struct ns *right,
                   struct ns *out, uint32_t at) KDK_MUST_CHECK;
kdk_status scope_column(struct binder *b, struct scope *scope, const struct ast_name *name,
                        uint32_t at, struct expr **out) KDK_MUST_CHECK;
/* A mention of a column that scope->ns offers. */
kdk_status scope_mention(struct binder *b, struct scope *scope, const struct scope_col *col,
                         uint32_t at, struct expr **out) KDK_MUST_CHECK;
/* The relation of `t.*`, or NULL and the error. */
kdk_status scope_find_rel(struct binder *b, struct scope *scope,
                          const struct ast_name *name, uint32_t parts, uint32_t at,
                          struct scope **where, struct scope_rel **out) KDK_MUST_CHECK;
/* The only column of that name without qualifier in ns: NULL for none; *count > 1:
 * ambiguous. */
const struct scope_col *ns_find(const struct ns *ns, const char *name, uint32_t *count);

/* A table or view by a name in SQL: 42P01, 3F000, 0A000 for other databases. */
kdk_status bind_table_name(struct binder *b, const struct ast_name *name,
                           const struct ctable **out) KDK_MUST_CHECK;
/* The same, NULL when there is none (the schema is still checked). */
kdk_status bind_table_maybe(struct binder *b, const struct ast_name *name,
                            const struct ctable **out) KDK_MUST_CHECK;
/* The schema in which an object of this name is made. */
kdk_status bind_new_name(struct binder *b, const struct ast_name *name, const char **schema,
                         const char **object) KDK_MUST_CHECK;
/* dotted, for messages; never NULL */
const char *bind_name_text(struct binder *b, const struct ast_name *name);
/* Position of a table's column, UINT32_MAX for none. */
uint32_t table_column(const struct ctable *table, const char *name);

/* ---- types ---- */

struct expr *expr_new(struct binder *b, enum expr_kind kind, struct ltype type, uint32_t at,
                      uint32_t arg_count);
/* can_fail, is_volatile from kind and args (EX_SUBQUERY: from what is in it). */
void expr_flags(struct expr *e);
struct expr *expr_column(struct binder *b, colid id, struct ltype type, uint32_t at);
struct expr *expr_const(struct binder *b, struct ltype type, struct datum value,
                        uint32_t at);
struct expr *expr_bool(struct binder *b, bool value, uint32_t at);
struct expr *expr_not(struct binder *b, struct expr *arg);
struct expr *expr_and(struct binder *b, enum expr_kind kind, struct expr **args,
                      uint32_t count, uint32_t at);
/* `what` for `argument of WHERE must be type boolean, not type integer`. */
kdk_status coerce_boolean(struct binder *b, struct expr **e,
                          const char *what) KDK_MUST_CHECK;
/* Converts *e, or leaves it when it has the type already. 42846, 42804, and literals'
 * errors. In an implicit context NUMERIC with precision 0 means whatever NUMERIC holds
 * *e. */
kdk_status coerce(struct binder *b, struct expr **e, struct ltype target,
                  enum cast_context context) KDK_MUST_CHECK;
/* For a column of a table: 42804 `column "a" is of type integer but expression is of type
 * text`. */
kdk_status coerce_assign(struct binder *b, struct expr **e, struct ltype target,
                         const char *column, const char *kind) KDK_MUST_CHECK;
/* UNKNOWN becomes text. */
kdk_status coerce_unknown(struct binder *b, struct expr **e) KDK_MUST_CHECK;
/* All of them to their common type. */
kdk_status coerce_common(struct binder *b, struct expr **list, uint32_t count,
                         const char *what, struct ltype *out) KDK_MUST_CHECK;
kdk_status common_type(struct binder *b, const struct ltype *types, uint32_t count,
                       const char *what, uint32_t at, struct ltype *out) KDK_MUST_CHECK;
/* The NUMERIC(p,s) that holds every value of e. */
struct ltype numeric_for(const struct expr *e);
kdk_status bind_number(struct binder *b, const struct ast_expr *ast,
                       struct expr **out) KDK_MUST_CHECK;
bool type_comparable(struct ltype t);

/* ---- expressions ---- */

kdk_status bind_expr(struct binder *b, struct scope *scope, const struct ast_expr *ast,
                     struct expr **out) KDK_MUST_CHECK;
kdk_status bind_condition(struct binder *b, struct scope *scope, const struct ast_expr *ast,
                          enum clause clause, struct expr **out) KDK_MUST_CHECK;
kdk_status bind_call(struct binder *b, struct scope *scope, const struct ast_expr *ast,
                     struct expr **out) KDK_MUST_CHECK;
/* A call of a named function or operator on bound arguments. */
kdk_status bind_function(struct binder *b, const char *name, bool is_operator,
                         struct expr **args, uint32_t count, uint32_t at,
                         struct expr **out) KDK_MUST_CHECK;
/* A CHAR(n) becomes the text of n characters that it stands for; anything else stays. */
kdk_status bind_padded(struct binder *b, struct expr **e) KDK_MUST_CHECK;
/* left op right, for one of the six comparisons: types made equal. */
kdk_status bind_compare(struct binder *b, const char *op, struct expr *left,
                        struct expr *right, uint32_t at, struct expr **out) KDK_MUST_CHECK;
/* IS DISTINCT FROM */
kdk_status bind_is_null_safe(struct binder *b, struct expr *left, struct expr *right,
                             uint32_t at, struct expr **out) KDK_MUST_CHECK;
bool call_is_aggregate(const struct ast_expr *ast);
/* The name that a column of this expression gets. */
const char *item_name(struct binder *b, const struct ast_item *item);

/* ---- trees ---- */

struct rel *rel_new(struct binder *b, enum rel_kind kind, struct rel *in0, struct rel *in1,
                    uint32_t at);
/* in, filtered by a condition (split at its ANDs). NULL for out of memory. */
struct rel *rel_filter(struct binder *b, struct rel *in, struct expr *cond, uint32_t at);
kdk_status cond_split(struct binder *b, struct expr *cond, uint32_t *count,
                      struct expr ***out) KDK_MUST_CHECK;
bool expr_equal(const struct expr *a, const struct expr *b);
/* Without subqueries: see expr_has_subquery. */
struct expr *expr_copy(struct binder *b, const struct expr *e);
bool expr_has_subquery(const struct expr *e);
uint32_t expr_size(const struct expr *e); /* Nodes, without those of subqueries. */

/* Calls `each` on every expression pointer of a tree, outermost first; when it returns
 * false the arguments are skipped. Goes into subqueries. Stops at the first error. */
struct walk {
    kdk_status (*each)(struct walk *walk, struct expr **e, bool *deeper);
    uint32_t subqueries; /* How many subqueries are around the expression. */
    void *context;
};
kdk_status walk_expr(struct walk *walk, struct expr **e) KDK_MUST_CHECK;
kdk_status walk_rel(struct walk *walk, struct rel *rel) KDK_MUST_CHECK;

/* ---- queries ---- */

struct query_col {
    colid id;
    struct ltype type;
    const char *name;
    bool not_null;
};
/* A bound query: rel gives (at least) cols. */
struct query {
    struct rel *rel;
    uint32_t count;
    struct query_col *cols;
    /* A SELECT's FROM, which its LIMIT may see but not use; NULL for others. */
    struct scope *scope;
};
/* keep_unknown: untyped literals in the result keep type UNKNOWN, for the caller to convert
 * with query_convert(). */
kdk_status bind_query(struct binder *b, const struct ast_query *ast, struct scope *outer,
                      bool keep_unknown, struct query *out) KDK_MUST_CHECK;
/* Gives an UNKNOWN output column a type, where it is made. */
kdk_status query_retype(struct binder *b, struct query *q, uint32_t index,
                        struct ltype type) KDK_MUST_CHECK;
/* WITH: its tables come in sight; bind_with_end takes them out of it and wraps *rel in
 * REL_CTE where needed. */
kdk_status bind_with(struct binder *b, const struct ast_with *with, struct scope *outer,
                     struct cte **before) KDK_MUST_CHECK;
kdk_status bind_with_end(struct binder *b, struct cte *before, struct rel **rel,
                         uint32_t at) KDK_MUST_CHECK;
/* Makes a CTE's rows where FROM names it; *found false when there is no such CTE. */
kdk_status bind_cte(struct binder *b, const char *name, uint32_t at, bool *found,
                    struct query *out) KDK_MUST_CHECK;
/* Items with stars expanded: expression and name each. */
struct targets {
    uint32_t count, cap;
    struct target {
        struct expr *expr;
        const char *name;
        const struct ast_expr *ast; /* NULL when a star made it. */
    } * items;
};
kdk_status bind_items(struct binder *b, struct scope *scope, const struct ast_items *items,
                      enum clause clause, struct targets *out) KDK_MUST_CHECK;

/* Moves expressions of a SELECT above its aggregation. */
struct grouping {
    struct binder *b;
    struct scope *scope;
    struct rel *agg; /* groups in cols: appended to for functional dependencies */
    uint32_t cap;
};
kdk_status group_rewrite(struct grouping *g, struct expr **e) KDK_MUST_CHECK;
kdk_status group_add(struct grouping *g, struct expr *e) KDK_MUST_CHECK;

kdk_status bind_from_list(struct binder *b, struct scope *scope,
                          const struct ast_froms *from, struct rel **out) KDK_MUST_CHECK;
/* A table's scan with all of its columns (and the row id) as a relation of scope names. */
kdk_status bind_scan(struct binder *b, struct scope *scope, const struct ctable *table,
                     const char *alias, bool row_id, uint32_t at, struct rel **rel,
                     struct scope_rel **out) KDK_MUST_CHECK;

/* ---- statements ---- */

kdk_status bind_insert(struct binder *b, const struct ast_insert *ast,
                       struct bound_stmt *out) KDK_MUST_CHECK;
kdk_status bind_update(struct binder *b, const struct ast_update *ast,
                       struct bound_stmt *out) KDK_MUST_CHECK;
kdk_status bind_delete(struct binder *b, const struct ast_delete *ast,
                       struct bound_stmt *out) KDK_MUST_CHECK;
kdk_status bind_ddl(struct binder *b, const struct ast_stmt *ast,
                    struct bound_stmt *out) KDK_MUST_CHECK;
kdk_status bind_drop(struct binder *b, const struct ast_drop *ast,
                     struct bound_ddl *ddl) KDK_MUST_CHECK;
kdk_status bind_alter_table(struct binder *b, const struct ast_alter *ast,
                            struct bound_ddl *ddl) KDK_MUST_CHECK;
kdk_status bind_copy(struct binder *b, const struct ast_copy *ast,
                     struct bound_stmt *out) KDK_MUST_CHECK;
/* The default of a column, bound and converted; a NULL constant when it has none. */
kdk_status bind_default(struct binder *b, const struct ctable *table, uint32_t column,
                        uint32_t at, struct expr **out) KDK_MUST_CHECK;
/* All checks of a table over fresh ids into dml. `changed`: NULL, or which columns change
 * (others' checks are left out). */
kdk_status bind_checks(struct binder *b, const struct ctable *table, struct rel_dml *dml,
                       const bool *changed) KDK_MUST_CHECK;
/* A stored or new expression over the columns of a row. */
kdk_status bind_row_expr(struct binder *b, const struct ast_expr *ast,
                         enum bind_row_kind kind, const struct bind_row *row,
                         struct ltype target, const char *target_name,
                         struct expr **out) KDK_MUST_CHECK;
/* 42809 and its like unless `table` may be written to. `verb`: "insert into". */
kdk_status bind_writable(struct binder *b, const struct ctable *table, const char *verb,
                         uint32_t at) KDK_MUST_CHECK;

/* ---- DDL, shared with ALTER ---- */

/* A column's definition: type, NOT NULL, default (checked, as text). Other constraints are
 * left to the caller. `fill`, which may be NULL, gets the bound default, or NULL. */
kdk_status bind_column_def(struct binder *b, const struct ast_column *ast,
                           const char *table, struct ccolumn *out,
                           struct expr **fill) KDK_MUST_CHECK;
/* PRIMARY KEY or UNIQUE over columns of `table` (a draft or a real one); `column`: the
 * constraint stands behind this column. */
kdk_status bind_key(struct binder *b, const struct ctable *table,
                    const struct ast_constraint *con, const struct ast_ident *column,
                    const struct bound_index *others, uint32_t other_count,
                    struct bound_index *out) KDK_MUST_CHECK;
/* CHECK: `condition`, which may be NULL, gets it over columns with ids position + 1.
 * `checks` are those that are to be made besides. */
kdk_status bind_check(struct binder *b, const struct ctable *table,
                      const struct ast_constraint *con, const struct ccheck *checks,
                      uint32_t check_count, struct ccheck *out,
                      struct expr **condition) KDK_MUST_CHECK;
/* 42P07 when the schema has a table, view or index of this name. */
kdk_status bind_name_free(struct binder *b, const char *schema, const char *name,
                          uint32_t at) KDK_MUST_CHECK;
/* An index by its name, NULL when there is none. */
kdk_status bind_index_maybe(struct binder *b, const struct ast_name *name,
                            const struct cindex **out) KDK_MUST_CHECK;
bool bind_name_taken(struct binder *b, const char *schema, const char *name);
/* Views that stand on `table` (position >= 0: on that column of it), directly or not, in an
 * order in which they can be dropped. */
struct view_list {
    uint32_t count, cap;
    const struct ctable **views;
};
kdk_status bind_dependants(struct binder *b, const struct ctable *table, int64_t position,
                           struct view_list *list) KDK_MUST_CHECK;
/* A change of a name, and the texts of the views that mention what it concerns: those that
 * must change. 0A000 when one cannot. */
enum view_change_kind {
    VIEW_SCHEMA_RENAMED,
    VIEW_TABLE_RENAMED,
    VIEW_COLUMN_RENAMED,
    VIEW_COLUMN_DROPPED
};
struct view_change {
    enum view_change_kind kind;
    const struct ctable *table; /* As the catalog has it; NULL for a schema. */
    const struct ctable *after; /* As it will be; not for schemas and dropped columns. */
    uint32_t position;          /* Of the column in `table`. */
    const char *from, *to;
    uint32_t at; /* For errors. */
};
struct view_text {
    const struct ctable *view;
    const char *sql;
    struct query was; /* Bound from the text that it has now. */
    struct view_text *next;
};
struct view_texts {
    struct view_text *first, **end;
};
kdk_status bind_rewrite_views(struct binder *b, const struct view_change *change,
                              struct view_texts *out) KDK_MUST_CHECK;
/* 2BP01 for the first of them. `what`: "table t". */
kdk_status bind_refuse_dependants(struct binder *b, const char *verb, const char *what,
                                  const struct ctable *view, uint32_t at) KDK_MUST_CHECK;
/* Text of a syntax tree, in the arena. */
kdk_status bind_expr_text(struct binder *b, const struct ast_expr *ast,
                          const char **out) KDK_MUST_CHECK;
/* Calls `each` for every column name in an expression without subqueries. */
void ast_each_column(struct ast_expr *ast,
                     void (*each)(void *context, struct ast_expr *column), void *context);

#endif
