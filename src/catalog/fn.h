/* fn.h - the function list: every function, operator and aggregate, one line each in fn_list.h.
 *
 * From the list come the ids, the names and signatures that the binder resolves, the properties that plan relies on, and (in exec) the bodies. Ids are
 * not on disk: stored SQL is text.
 */
#ifndef KDK_CATALOG_FN_H
#define KDK_CATALOG_FN_H

#include "vec/vec.h"

enum fn_kind { FN_SCALAR, FN_AGGREGATE };
enum fn_volatility { FN_IMMUTABLE, FN_STABLE, FN_VOLATILE };
enum { FN_ARGS_MAX = 8 };

/* How the result type comes about; see fn_result(). */
enum fn_result_rule {
    FN_RET_FIXED,   /* as in the list */
    FN_RET_ARG0,    /* the type of the first argument, modifiers too */
    FN_RET_NUM_ADD, /* NUMERIC + -: the larger scale */
    FN_RET_NUM_MUL, /* NUMERIC *: the sum of scales */
    FN_RET_NUM_DIV, /* NUMERIC / and avg: scale max(6, s1) + 10, capped so that 38 digits hold it */
    FN_RET_NUM_MOD,
    FN_RET_NUM_SUM, /* 38 digits, the argument's scale */
    FN_RET_COMMON,  /* the arguments' common type (binder has made them equal) */
    FN_RET_TEXT,    /* text without modifiers */
    FN_RET_NUM_ROUND, /* NUMERIC round/trunc(x, constant n): scale n; without n: 0 */
};

struct fn {
    const char *name; /* As in SQL: "+", "lower", "sum". Several entries share one: overloads. */
    uint8_t kind;
    uint8_t arg_count;
    bool variadic;      /* The last argument type repeats, once or more. */
    bool strict;        /* A NULL argument gives NULL without a call. */
    bool can_fail;
    uint8_t volatility;
    uint8_t result_rule;
    uint8_t args[FN_ARGS_MAX]; /* enum ltype_id; FN_ANY matches every type */
    uint8_t result;
    uint16_t cost; /* In units of an integer addition. */
};
#define FN_ANY 255

extern const struct fn fn_table[]; /* By enum fn_id: see fn_list.h. */
extern const uint32_t fn_count;

/* The overloads of a name: ids[0..*count-1], ordered as in the list. */
void fn_by_name(const char *name, const uint32_t **ids, uint32_t *count);
/* The result type for these argument types (already converted to what the entry asks for). `round_digits` is for FN_RET_NUM_ROUND: the constant, or INT32_MIN. */
struct ltype fn_result(uint32_t id, const struct ltype *args, uint32_t arg_count, int32_t round_digits);

/* PostgreSQL's overload resolution (its documentation, 10.2 and 10.3): exact match; else the candidates that implicit casts reach, most exact matches,
 * preferred types; untyped literals (LT_UNKNOWN) take the other side's type or text. On success `*id` and the types that the arguments must be cast to.
 * KDK_UNDEFINED_FUNCTION (with PostgreSQL's message and hint) or KDK_AMBIGUOUS_FUNCTION. `is_operator` only changes the message. */
kdk_status fn_resolve(const char *name, bool is_operator, const struct ltype *args, uint32_t arg_count, uint32_t *id,
                      struct ltype *cast_to, struct err *err) KDK_MUST_CHECK;

/* Casts. */
enum cast_context { CAST_IMPLICIT, CAST_ASSIGNMENT, CAST_EXPLICIT };
/* Is there a cast from one type to the other that this context may use? Same type: yes (modifiers are then applied). */
bool cast_allowed(struct ltype from, struct ltype to, enum cast_context context);
bool cast_can_fail(struct ltype from, struct ltype to);
/* The type that UNION, CASE, COALESCE, VALUES, IN bring these to (PostgreSQL 10.5); KDK_TYPE_MISMATCH if there is none; `what` ("UNION", "CASE") for the message. */
kdk_status type_common(const struct ltype *types, uint32_t count, const char *what, struct ltype *out, struct err *err) KDK_MUST_CHECK;

/* enum fn_id */
#include "catalog/fn_list.h"

#endif
