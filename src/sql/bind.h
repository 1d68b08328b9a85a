/* bind.h - from a syntax tree to a relational tree: names, types, and all the errors that
 * need a catalog.
 *
 * sql_bind() looks up every name in one catalog version, gives every expression a type,
 * makes every conversion explicit and returns the operators of rel.h. It reads no rows and
 * changes nothing, so it may be repeated after a catalog change. DDL and COPY are resolved
 * and checked here too: who carries them out takes struct bound_ddl or bound_copy and asks
 * no more questions. Messages and SQLSTATEs are PostgreSQL's; each error has a position
 * unless it is about no place.
 *
 * Threads  No state outside the arguments.
 */
#ifndef KDK_SQL_BIND_H
#define KDK_SQL_BIND_H

#include "sql/ast.h"
#include "sql/rel.h"

/* ------------------------------------------------------------------- what it needs ---- */

/* What the file hook found in a file. */
struct bind_file {
    uint32_t column_count;
    struct ccolumn *columns; /* name, type, not_null; in the given arena */
    void *file;              /* handed on as rel->file or bound_copy.file */
};

struct bind_env {
    const struct catver *catver;
    /* Given so far; LT_UNKNOWN is inferred, as are those past param_count. */
    const struct ltype *param_types;
    uint32_t param_count;
    /* Schemas for names without one; NULL: {"public"}. System schemas come last by
     * themselves. */
    const char *const *search_path;
    uint32_t search_path_count;
    void *context; /* For the hooks. Each may be NULL. */
    /* Names and types of the columns of a file named in FROM. Without the hook files are
     * refused (0A000). `options` may be NULL. */
    kdk_status (*file)(void *context, const char *path, const struct ast_options *options,
                       struct arena *arena, struct bind_file *out, struct err *err);
    /* The value of a setting, or NULL when there is none of that name. */
    const char *(*setting)(void *context, const char *name);
    /* NOTICE and WARNING messages, such as `relation "t" already exists, skipping`. */
    void (*notice)(void *context, const char *sqlstate, const char *message);
};

/* -------------------------------------------------------------------------- queries ---- */

/* Binds one statement.
 *
 * stmt     Must outlive `out`. EXPLAIN and PREPARE are bound as the statement inside them
 *          (out->ast is the outer one).
 * arena    Of the statement: the tree, and everything in it.
 * out      root and columns for queries and DML (and COPY (query) TO, CREATE TABLE AS:
 *          their query); ddl for DDL; copy for COPY; all NULL for what needs no binding
 *          (transactions, SET, SHOW, EXECUTE, DEALLOCATE, CHECKPOINT without a table).
 * Errors   Everything PostgreSQL's analysis reports, 0A000 for what is not supported,
 *          54001, NOMEM.
 */
kdk_status sql_bind(const struct ast_stmt *stmt, const struct bind_env *env,
                    struct arena *arena, struct bound_stmt **out,
                    struct err *err) KDK_MUST_CHECK;

/* An expression over the columns of one row, for stored text: DEFAULT, CHECK. */
struct bind_row {
    const struct ctable *table; /* NULL: no columns may be named. */
    /* One for each column of the table, as EX_COLUMN will name them. NULL: position + 1. */
    const colid *ids;
};
enum bind_row_kind {
    /* Converted to `target` by assignment; names no columns: pass a row without a table. */
    BIND_DEFAULT,
    BIND_CHECK, /* Boolean. */
    BIND_USING, /* As DEFAULT, with columns. */
};
/* Binds stored text. Subqueries and aggregates are refused (0A000, 42803) as PostgreSQL
 * does in such places. `target_name` is the column for `column "a" is of type integer but
 * default expression is of type text`. On error the position is dropped: it would be one in
 * the stored text, not in the statement's. */
kdk_status sql_bind_table_expr(const char *text, const struct bind_env *env,
                               enum bind_row_kind kind, const struct bind_row *row,
                               struct ltype target, const char *target_name,
                               struct arena *arena, struct expr **out,
                               struct err *err) KDK_MUST_CHECK;

/* A constant expression of a given type, for EXECUTE's arguments: no columns, no
 * subqueries; assignment conversion. Calls are left to be evaluated. */
kdk_status sql_bind_value(const struct ast_expr *ast, const struct bind_env *env,
                          struct ltype target, struct arena *arena, struct expr **out,
                          struct err *err) KDK_MUST_CHECK;

/* The type of a parsed name: `numeric(10, 2)`, `varchar(20)`. 42704 for an unknown one,
 * 0A000 for one that comes later, 22023 for bad modifiers. A NUMERIC without modifiers has
 * precision 0. */
kdk_status sql_bind_type(const struct ast_type *ast, struct ltype *out,
                         struct err *err) KDK_MUST_CHECK;

/* ------------------------------------------------------------------------------ DDL ---- */

/* A column to be. `id` is its place for a new table (0, 1, ...); UINT32_MAX for one that
 * ALTER adds: whoever carries it out gives one. */
struct bound_column {
    struct ccolumn column;
    /* ADD COLUMN: the value in existing rows (assignment-converted default), or NULL for
     * NULL. */
    struct expr *fill;
};

struct bound_index {
    /* id 0 and table NULL where they do not exist yet. `columns` are positions in the
     * table. */
    struct cindex index;
    const char *schema;
    const struct ctable *on; /* The table; NULL inside CREATE TABLE. */
};

enum ddl_kind {
    DDL_NOTHING,       /* IF [NOT] EXISTS decided: a notice was given. */
    DDL_CREATE_SCHEMA, /* schema */
    DDL_CREATE_TABLE,  /* create */
    /* create: columns and view_sql; `replaces` is the view that it replaces, or NULL */
    DDL_CREATE_VIEW,
    DDL_CREATE_INDEX, /* index */
    /* tables (views too, dependants first), dropped_indexes, schemas: in that order */
    DDL_DROP,
    DDL_TRUNCATE, /* tables */
    /* alters; first `tables`: views that DROP COLUMN ... CASCADE drops */
    DDL_ALTER,
    DDL_REINDEX,    /* dropped_indexes: those to be made anew; none: all */
    DDL_CHECKPOINT, /* tables: FREEZE of those; only with a name */
    DDL_ANALYZE,    /* tables: ANALYZE or VACUUM; none: all */
};

enum alter_kind {
    ALTER_RENAME_TABLE,  /* name; schema */
    ALTER_RENAME_INDEX,  /* index, name; also for PRIMARY KEY and UNIQUE constraints */
    ALTER_RENAME_CHECK,  /* position (in table->checks), name */
    ALTER_RENAME_COLUMN, /* position, name; the checks' text changes too: see `after` */
    ALTER_RENAME_SCHEMA, /* schema, name */
    ALTER_ADD_COLUMN,    /* column: at the end */
    /* position; indexes and checks that name it go with it: see `after` */
    ALTER_DROP_COLUMN,
    /* added; `not_null`: its columns become NOT NULL (PRIMARY KEY): existing rows are to be
     * checked */
    ALTER_ADD_INDEX,
    ALTER_ADD_CHECK,  /* check, condition: existing rows are to be checked */
    ALTER_DROP_INDEX, /* index (of a constraint) */
    ALTER_DROP_CHECK, /* position (in table->checks) */
    /* position; after->columns[position].default_sql, NULL to drop it */
    ALTER_SET_DEFAULT,
    ALTER_SET_NOT_NULL,  /* position: existing rows are to be checked */
    ALTER_DROP_NOT_NULL, /* position */
    /* before: a view that names what an earlier step renames; after->view_sql */
    ALTER_VIEW_TEXT,
};

/* One step. Steps follow each other: `before` is the table as it is then (the first one's
 * is the catalog's own), `after` as it is to be; both lie in the arena, share `store` and
 * keep the ids of what stays. */
struct bound_alter {
    enum alter_kind kind;
    const struct ctable *before, *after;
    const char *schema, *name;
    uint32_t position;
    const struct cindex *index;
    const struct bound_index *added;
    const struct bound_column *column;
    struct ccheck check;
    struct expr *condition; /* Over columns with ids position + 1. */
    bool not_null;
};

struct bound_ddl {
    enum ddl_kind kind;
    const char *schema, *name;
    /* DDL_CREATE_TABLE, DDL_CREATE_VIEW */
    uint32_t column_count;
    struct bound_column *columns;
    uint32_t index_count;
    struct bound_index *indexes; /* The primary key first. */
    uint32_t check_count;
    struct ccheck *checks;
    const char *view_sql;
    const struct ctable *replaces;
    /* CREATE TABLE AS: fill it with the rows of bound_stmt.root (columns in order). */
    bool with_data;
    /* DDL_CREATE_INDEX */
    struct bound_index *index;
    /* DDL_DROP, DDL_TRUNCATE, ... */
    uint32_t table_count; /* Tables and views. */
    const struct ctable **tables;
    uint32_t dropped_index_count;
    const struct cindex **dropped_indexes;
    uint32_t schema_count;
    const char **schemas;
    /* DDL_ALTER */
    uint32_t alter_count;
    struct bound_alter *alters;
};

/* ----------------------------------------------------------------------------- COPY ---- */

enum copy_format { COPY_TEXT, COPY_CSV, COPY_BINARY, COPY_ARROW };
enum copy_header { COPY_HEADER_NO, COPY_HEADER_YES, COPY_HEADER_MATCH };

struct copy_options {
    enum copy_format format;
    enum copy_header header;
    char delimiter;        /* One byte. */
    char quote, escape;    /* CSV. */
    const char *null_text; /* "\\N" in text format, "" in CSV. */
    const char *encoding;  /* NULL: UTF-8. */
    bool freeze;
    bool force_quote_all;
    bool *force_quote; /* One for each of bound_copy.columns, or NULL. */
    bool *force_not_null;
    bool *force_null;
};

struct bound_copy {
    bool to;
    /* NULL: COPY (query) TO. For TO bound_stmt.root gives the rows, either way, and `names`
     * says which of its columns. */
    const struct ctable *table;
    uint32_t column_count; /* Of the file, in order. */
    uint32_t *columns;     /* Positions in table->columns; NULL without a table. */
    struct relcol *names;  /* Name and type of each. */
    const char *path;      /* NULL: STDIN or STDOUT. */
    struct copy_options options;
    /* FROM: the row to insert, over `input` ids: what comes from the file and what defaults
     * compute. */
    colid *input; /* One for each of `columns`: the value read. */
    /* set: every column of the table, in order, over input; checks over fresh. */
    struct rel_dml *dml;
    /* Over fresh; NULL: all rows. Rows that fail it are skipped before the checks. */
    struct expr *where;
};

/* ------------------------------------------------------------------------ debugging ---- */

/* The tree as indented text, one operator a line, with column ids and types: for tests and
 * debugging. NOMEM only. */
kdk_status rel_print(const struct rel *rel, struct buf *out,
                     struct err *err) KDK_MUST_CHECK;
kdk_status expr_print(const struct expr *expr, struct buf *out,
                      struct err *err) KDK_MUST_CHECK;
/* All of a bound statement: parameters, tree, result columns, DDL, COPY. */
kdk_status bound_print(const struct bound_stmt *stmt, struct buf *out,
                       struct err *err) KDK_MUST_CHECK;

/* Walks the whole tree: each column made once, named only where it is in sight and with its
 * type, operands of one type, flags handed up. For tests, after binding and after each
 * rewrite. KDK_INTERNAL says what is wrong; NOMEM. */
kdk_status bound_check(const struct bound_stmt *stmt, struct arena *arena,
                       struct err *err) KDK_MUST_CHECK;

#endif
