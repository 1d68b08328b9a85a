/* eval_node.h - compiled expressions: what eval_compile.c makes and eval_vec.c runs.
 * Private to exec. */
#ifndef KDK_EXEC_EVAL_NODE_H
#define KDK_EXEC_EVAL_NODE_H

#include "base/bits.h"
#include "catalog/fn_field.h"
#include "exec/eval_int.h"
#include "exec/fn_like.h"
#include "exec/kernel.h"

enum { BATCH_WORDS = BATCH_ROWS / 64 };

enum node_op {
    N_CONST,  /* reg, made once */
    N_COLUMN, /* batch->columns[slot] */
    N_ALIAS,  /* args[0]'s data under another type */
    N_SCALE,  /* args[0] * factor */
    N_ARITH,  /* args[0] arith args[1], at `width`; `checked` or proved */
    /* args[0] compare args[1], at `width` (integers: the wider of what comes) */
    N_COMPARE,
    N_CONVERT, /* args[0] by the cast kernel to `width` */
    N_DECIMAL_TO_DOUBLE,
    N_AND,
    N_OR,
    N_NOT,
    N_IS_NULL,
    N_IS_NOT_NULL,
    N_IS_TRUE,
    N_CASE,
    N_COALESCE,
    N_IN,      /* args[0] in `list`, constants */
    N_LIKE,    /* args[0] like `like` */
    N_EXTRACT, /* field of args[0], a date */
    N_DIVIDE,  /* args[0] / or % args[1], integers, at `width` */
    N_GENERIC, /* the scalar body, row by row */
};

/* Results of a node by the code of the dictionary that is its one argument. Kept while the
 * dictionary is the same. */
struct memo {
    uint64_t dict_id;
    uint32_t cap;      /* codes; a multiple of 64 */
    uint64_t *known;   /* bit: worked out */
    uint64_t *is_true; /* boolean results */
    uint64_t *is_null;
    struct datum *values; /* other results */
};

struct in_list {
    struct datum *values; /* ascending, different */
    uint32_t count;
    bool has_null;
};

struct node {
    enum node_op op;
    struct ltype type;
    const struct expr *e;
    struct node **args;
    uint32_t arg_count;
    uint32_t cost;
    bool can_fail; /* after range proof, this or below */
    bool bounded;  /* integers, dates, decimals: all valid values are in [lo, hi] */
    int128 lo, hi;
    uint8_t width; /* enum vwidth */
    bool checked;
    uint8_t kernel; /* enum kernel_arith or kernel_cmp */
    uint32_t slot;
    int128 factor;
    enum date_field field;
    /* N_EXTRACT: the field for each day in the argument's interval, made at first use */
    int32_t *table;
    bool remainder; /* N_DIVIDE: % */
    struct like *like;
    struct in_list *list;
    struct memo *memo;
    struct vec reg;    /* the result, for ops that make one */
    struct vec alias;  /* an argument's data under this node's type */
    struct vec tmp[2]; /* arguments in another width or form; made at first use */
    bool has_tmp[2];
    int128 small[2]; /* constant arguments at a width */
    uint16_t *rows;  /* BATCH_ROWS row numbers, for ops that narrow the selection */
};

/* Where text results of bodies go: chunks of the program's arena, used again in each
 * run. */
struct pool_chunk {
    struct pool_chunk *next;
    size_t bytes;
    uint8_t data[];
};
struct pool {
    struct pool_chunk *first, *current;
    struct arena arena; /* what bodies see: the rest of the current chunk, then the heap */
};

struct eval_column {
    colid id;
    uint32_t slot;
};

struct eval {
    const struct expr *expr;
    const struct eval_env *env;
    struct arena *arena;
    struct node *root;
    uint32_t column_count, column_cap;
    struct eval_column *columns;
    struct pool pool;
    /* During a run */
    struct batch *batch;
    uint32_t count;
    struct err *err;
};

kdk_status eval_compile(struct eval *ev, const struct expr *e,
                        const struct eval_source *source, struct node **out,
                        struct err *err) KDK_MUST_CHECK;

#endif
