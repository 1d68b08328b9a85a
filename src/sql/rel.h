/* rel.h - the relational tree: what the binder makes, plan rewrites and exec compiles.
 *
 * One tree of operators from the binder to the executor; plan changes it in place and adds
 * physical choices. A column is a number (`colid`), unique in the statement, made by
 * exactly one operator; expressions name columns by it, whatever stands between. So an
 * expression moves freely as long as its columns are made below, and a correlated subquery
 * is simply one that names a colid made outside of it. Everything lies in the statement's
 * arena.
 *
 * Invariants
 *   R1  Each colid is made by one operator. Operators hand on all columns of their input
 *       unless said otherwise.
 *   R2  Expressions are typed and every conversion is explicit (EX_CAST): both sides of a
 *       comparison have one type, and so have the inputs of a set operation and the
 *       branches of CASE. "One type" is up to what does not change how a value is held:
 *       TEXT's length and NUMERIC's precision may differ (rel_same_type), so that a
 *       varchar(25) column meets a text literal without a cast in between.
 *   R3  `can_fail` is true for an expression that may raise an error for some input
 *       (overflow, division, casts, ...). Such a condition is not evaluated on a row that
 *       an operator below it in the binder's tree would have dropped.
 */
#ifndef KDK_SQL_REL_H
#define KDK_SQL_REL_H

#include "catalog/catalog.h"
#include "catalog/fn.h"
#include "vec/vec.h"

typedef uint32_t colid; /* 0 is none. */
struct rel;
struct expr;
struct ast_stmt;
struct bound_ddl;
struct bound_copy;

/* R2: values of the two types are held alike and compare alike. */
static inline bool rel_same_type(struct ltype a, struct ltype b)
{
    return a.id == b.id && (a.id != LT_NUMERIC || a.scale == b.scale) &&
           (a.id != LT_TEXT || a.fixed == b.fixed);
}

/* ------------------------------------------------------------ expressions ---- */

enum expr_kind {
    EX_CONST,       /* value */
    EX_COLUMN,      /* column */
    EX_PARAM,       /* index: 0-based; type known after binding */
    EX_CALL,        /* fn(args): operators, too */
    EX_CAST,        /* args[0] to type; cast_try: NULL instead of an error */
    EX_AND,         /* args, two or more; three-valued */
    EX_OR,          /* args, two or more */
    EX_NOT,         /* args[0] */
    EX_IS_NULL,     /* args[0] */
    EX_IS_NOT_NULL, /* args[0] */
    /* args[0], boolean; never NULL. IS FALSE: IS_TRUE(NOT x). IS UNKNOWN: IS_NULL. */
    EX_IS_TRUE,
    EX_IS_DISTINCT, /* args[0] IS DISTINCT FROM args[1] */
    /* args: when1, then1, when2, then2, ..., else (always there). Simple CASE is bound to
     * `x = v`. */
    EX_CASE,
    EX_COALESCE, /* args; lazily */
    EX_IN,       /* args[0] IN (args[1..]); NOT IN is NOT around it */
    EX_SUBQUERY, /* see below; plan removes all of them */
};

enum subquery_kind {
    SQ_SCALAR, /* The one column of at most one row; NULL for none; 21000 for more. */
    SQ_EXISTS, /* Boolean, never NULL. */
    SQ_ANY,    /* args[i] op[i] column i for some row, three-valued. IN is ANY with =. */
    SQ_ALL,    /* ... for all rows. NOT IN is NOT ANY(=) . */
};

struct expr {
    enum expr_kind kind;
    struct ltype type;
    uint32_t offset; /* In the SQL text, for errors at run time too. */
    bool can_fail;   /* R3: this node or one below it. */
    /* This node or one below it: not to be folded, moved or computed twice. */
    bool is_volatile;
    /* EX_CAST to TEXT with a length: written by the user, so it cuts; else 22001 for what
     * is too long. */
    bool cast_explicit;
    uint32_t arg_count;
    struct expr **args;
    union {
        struct datum value; /* EX_CONST */
        colid column;       /* EX_COLUMN */
        uint32_t param;     /* EX_PARAM */
        uint32_t fn;        /* EX_CALL: enum fn_id (catalog/fn.h) */
        bool cast_try;      /* EX_CAST */
        struct {            /* EX_SUBQUERY; args are the left sides of ANY and ALL */
            enum subquery_kind kind;
            struct rel *rel;
            uint32_t *ops; /* enum fn_id of the comparison for each arg */
            /* the subquery's columns: one for each arg; one for SQ_SCALAR */
            colid *columns;
        } sub;
    };
};

/* -------------------------------------------------------------- operators ---- */

enum rel_kind {
    /* A table. Makes cols (column: position in table->columns; ROWID_COLUMN: the row
     * id). */
    REL_SCAN,
    /* A file named in FROM ('x.csv', 'x.arrow'). Makes cols (column: position in the
     * file). */
    REL_FILE,
    /* generate_series: rows[0] = {start, stop, step}, of its type; makes cols[0]. With
     * in[0] (made by plan): for each row of it, which is handed on. */
    REL_SERIES,
    /* Rows of expressions without columns (or with outer ones). Makes cols. A single empty
     * row is FROM-less SELECT. */
    REL_VALUES,
    REL_FILTER,  /* in[0] where all of conds are true. */
    REL_PROJECT, /* Makes cols, each with an expr over in[0]; hands on no other column. */
    REL_JOIN,    /* See join_kind. conds: the ON conditions, and-ed. */
    /* Groups of in[0]: makes groups (each an expr) and aggs; hands on nothing else. No
     * groups: exactly one row. */
    REL_AGG,
    REL_DISTINCT, /* Rows of in[0] that differ, by keys (DISTINCT ON: the first row of each in input order, handed on in that order) or, when there are none, all of its columns.
                   * Keys with limit or count_offset (made by plan): that many rows of each key, after so many others. */
    REL_SORT,     /* keys; with limit: top-N. */
    REL_LIMIT, /* limit, offset: expressions without columns, or NULL. With keys (WITH TIES; in[0] is sorted by them): further rows, too, whose keys are those of
                   * the last one. With in[1] (made by plan, for subqueries in them): one row, whose columns limit and offset name. */
    /* UNION, INTERSECT, EXCEPT [ALL] of in[0], in[1]: makes cols; left[i], right[i] are the
     * inputs' columns; they may make more. */
    REL_SETOP,
    REL_CTE,     /* Materializes ctes[0..]: in[0] is the query over them. */
    REL_CTE_REF, /* The rows of a CTE: makes cols, from cte->columns. */
    REL_INSERT,  /* Into table: see struct rel_dml. Makes the RETURNING columns. */
    REL_UPDATE,
    REL_DELETE,
    /* in[0]'s rows out; used by COPY (query) TO: exec hands batches to format. */
    REL_COPY_TO,
};

enum join_kind {
    JOIN_INNER,
    JOIN_LEFT,  /* Right columns are NULL where nothing matches. */
    JOIN_RIGHT, /* Bound as LEFT with sides exchanged; plan may bring it back. */
    JOIN_FULL,
    JOIN_SEMI, /* Left rows with a match. Hands on the left columns only. */
    JOIN_ANTI, /* Left rows without one. */
    /* All left rows, and `mark`: true, false, or NULL as ANY says. conds decide a match. */
    JOIN_MARK,
    JOIN_SINGLE, /* As LEFT, but more than one match is 21000. */
};

enum setop_kind { SETOP_UNION, SETOP_INTERSECT, SETOP_EXCEPT };

#define ROWID_COLUMN UINT32_MAX

struct relcol {
    colid id;
    struct ltype type;
    const char *name;  /* For EXPLAIN and results. */
    bool not_null;     /* Proved never NULL. */
    uint32_t column;   /* REL_SCAN, REL_FILE: which column of the table. */
    struct expr *expr; /* REL_PROJECT, groups: its value. */
};

struct relagg {
    colid id;
    struct ltype type;
    uint32_t fn; /* enum fn_id of an aggregate. */
    bool distinct;
    uint32_t arg_count;
    struct expr **args;
    struct expr *filter;  /* FILTER (WHERE ...), or NULL. */
    struct relkey *order; /* string_agg(x ORDER BY y) */
    uint32_t order_count;
    uint32_t offset;
};

struct relkey {
    struct expr *expr;
    bool descending;
    bool nulls_first;
};

struct relcte {
    const char *name;
    struct rel *rel;
    uint32_t column_count;
    struct relcol *columns; /* What rel makes, in order. */
    uint32_t ref_count;
};

/* INSERT, UPDATE, DELETE. in[0] gives the rows: for INSERT the source, for the others the
 * target's row id (`rowid`) and whatever the expressions need, each target row at most
 * once. `set` computes the new values over in[0]; INSERT sets every column of the table in
 * order, UPDATE those named by set_columns. `fresh` are colids for the row as it is after
 * the change (before it, for DELETE), one for each column of the table, 0 where nobody
 * asks: checks and RETURNING are expressions over them (and over in[0]). */
struct rel_dml {
    uint32_t set_count;
    uint32_t *set_columns; /* Positions in table->columns. */
    struct expr **set;
    colid rowid;
    colid *fresh;
    /* UPDATE and DELETE: the colid in in[0] that holds the column's old value, or 0 if not
     * fetched */
    colid *old;
    uint32_t check_count;
    struct expr **checks; /* Over fresh; false is 23514, NULL passes. */
    const char **check_names;
    uint32_t returning_count;
    struct relcol *returning; /* Each with its expr; made by this operator. */
};

/* Physical choices, made by plan; exec takes what it finds. */
enum join_method { JM_NESTED, JM_HASH, JM_INDEX };

struct rel {
    enum rel_kind kind;
    uint32_t offset;
    struct rel *in[2];
    uint32_t col_count;
    struct relcol *cols; /* What this operator makes. */
    /* REL_SCAN, DML */
    const struct ctable *table;
    const char *alias;
    /* REL_FILE */
    const char *path;
    void *file; /* What the file hook bound: see sql/bind.h. */
    /* REL_FILTER, REL_JOIN: and-ed */
    uint32_t cond_count;
    struct expr **conds;
    /* REL_JOIN */
    enum join_kind join;
    colid mark;
    bool lateral; /* in[1] names columns of in[0]; plan removes it. */
    /* REL_AGG */
    uint32_t agg_count;
    struct relagg *aggs; /* groups are cols, each with its expr */
    /* REL_SORT, REL_DISTINCT */
    uint32_t key_count;
    struct relkey *keys;
    /* REL_LIMIT; REL_SORT when it is top-N; REL_DISTINCT by keys */
    struct expr *limit, *count_offset;
    /* REL_SETOP */
    enum setop_kind setop;
    bool all;
    colid *left, *right;
    /* REL_VALUES, REL_SERIES */
    uint32_t row_count;
    struct expr ***rows;
    /* REL_CTE, REL_CTE_REF */
    uint32_t cte_count;
    struct relcte **ctes;
    struct relcte *cte;
    /* DML */
    struct rel_dml *dml;
    /* Made by plan */
    struct {
        double rows; /* estimate */
        double cost;
        enum join_method method;
        /* JM_HASH: the hash table is made of in[0], not in[1] (SEMI and ANTI alone). */
        bool build_left;
        /* JM_HASH: the other side's scans get a filter of the built side's keys (INNER,
         * SEMI, built left ANTI). */
        bool pass_keys;
        /* JM_HASH, JM_INDEX: left_keys[i] = right_keys[i] (same type); */
        uint32_t equi_count;
        struct expr **left_keys; /*   what is left of the conditions is conds. */
        struct expr **right_keys;
        bool *null_safe; /* per key: IS NOT DISTINCT FROM instead of = */
        /* REL_SCAN, or in[1] of JM_INDEX: read by this index ... */
        const struct cindex *index;
        /*   ... with its first columns equal to these (no columns of its own table) ... */
        uint32_t eq_count;
        struct expr **eq;
        /*   ... and the next one between these, each NULL or an expression */
        struct expr *lower, *upper;
        /*   (open: without the bound itself). The conditions stay in conds of a filter
         *   above. */
        bool lower_open, upper_open;
        /* REL_SCAN: conditions that the filter above holds too, `column op constant`: */
        struct expr **prune;
        /*   zone maps and scan-level filters may use them, or not. */
        uint32_t prune_count;
        uint32_t id; /* number in EXPLAIN */
    } phys;
};

/* ------------------------------------------------------- bound statements ---- */

struct bound_stmt {
    /* Queries and DML; NULL for what the binder leaves to its caller (DDL, SET, ...). */
    struct rel *root;
    struct bound_ddl *ddl;   /* DDL: sql/bind.h. CREATE TABLE AS has a root too. */
    struct bound_copy *copy; /* COPY: sql/bind.h. COPY (query) TO has a root too. */
    uint32_t column_count;   /* Of the result. */
    struct relcol *columns;  /* Result columns in order: ids made in the tree. */
    uint32_t param_count;
    struct ltype *param_types;
    colid colid_next; /* plan makes new ones from here */
    bool read_only;
    const struct ast_stmt *ast;
};

#endif
