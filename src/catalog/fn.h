/* fn.h - the function list: every function, operator and aggregate, one line each in
 * fn_list.h.
 *
 * From the list come the ids, the names and signatures that the binder resolves, the
 * properties that plan relies on, and (in exec) the bodies. Ids are not on disk: stored SQL
 * is text.
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
    /* NUMERIC / and avg: scale max(6, s1) + 10, capped so that 38 digits hold it */
    FN_RET_NUM_DIV,
    FN_RET_NUM_MOD,
    FN_RET_NUM_SUM, /* 38 digits, the argument's scale */
    FN_RET_COMMON,  /* the arguments' common type (binder has made them equal) */
    FN_RET_TEXT,    /* text without modifiers */
    /* NUMERIC round/trunc(x, constant n): scale n, at least 0; without n: 0; n not
     * constant: the argument's scale */
    FN_RET_NUM_ROUND,
    /* NUMERIC extract(constant field, x): 6 digits for second, epoch; 3 for milliseconds;
     * else 0. Field not constant: 6 */
    FN_RET_EXTRACT,
};

struct fn {
    /* As in SQL: "+", "lower", "sum". Several entries share one: overloads. */
    const char *name;
    uint8_t kind;
    uint8_t arg_count;
    bool variadic; /* The last argument type repeats, once or more. */
    bool strict;   /* A NULL argument gives NULL without a call. */
    bool can_fail;
    uint8_t volatility;
    uint8_t result_rule;
    /* enum ltype_id; FN_ANY matches every type. Of NUMERIC and TEXT any modifiers. */
    uint8_t args[FN_ARGS_MAX];
    uint8_t result;
    uint16_t cost; /* In units of an integer addition. */
};
#define FN_ANY 255

extern const struct fn fn_table[]; /* By enum fn_id: see fn_list.h. */
extern const uint32_t fn_count;

/* The overloads of a name (or of what it is an alias of): ids[0..*count-1], ordered as in
 * the list. NULL and 0 when there is none. */
void fn_by_name(const char *name, const uint32_t **ids, uint32_t *count);
/* The result type for these argument types (already converted to what the entry asks for).
 * `digits` is for FN_RET_NUM_ROUND and FN_RET_EXTRACT: what fn_result_digits() gave. */
struct ltype fn_result(uint32_t id, const struct ltype *args, uint32_t arg_count,
                       int32_t digits);
#define FN_DIGITS_UNKNOWN INT32_MIN
/* What an argument that is a constant says about the scale of the result: constants[i] is
 * argument i's value (of the type the entry asks for), or NULL when it is no constant.
 * FN_DIGITS_UNKNOWN when nothing. */
int32_t fn_result_digits(uint32_t id, const struct datum *const *constants,
                         uint32_t arg_count);

/* Can this call raise an error, given its argument types and what is constant among its
 * arguments (as above; NULL: nothing is)? Sharper than fn.can_fail: LIKE with a good
 * pattern, division by 7, sums and products of decimals that 38 digits hold always
 * cannot. */
bool fn_call_can_fail(uint32_t id, const struct ltype *args,
                      const struct datum *const *constants, uint32_t arg_count);

/* Comparisons: = <> < <= > >= of two values of one type. */
enum fn_comparison { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE, CMP_NONE };
/* CMP_NONE when it is something else. */
enum fn_comparison fn_comparison_kind(uint32_t id);
/* The entry for two values of this type. */
uint32_t fn_comparison_of(enum fn_comparison kind, struct ltype type);
enum fn_comparison fn_comparison_commuted(enum fn_comparison kind); /* a < b is b > a */
/* NOT a < b is a >= b, three-valued too */
enum fn_comparison fn_comparison_negated(enum fn_comparison kind);

/* PostgreSQL's overload resolution (its documentation, 10.2 and 10.3): exact match; else
 * the candidates that implicit casts reach, most exact matches, preferred types; untyped
 * literals (LT_UNKNOWN) take the other side's type or text. On success `*id` and the types
 * that the arguments must be cast to. KDK_UNDEFINED_FUNCTION (with PostgreSQL's message and
 * hint) or KDK_AMBIGUOUS_FUNCTION. `is_operator` changes the message, and lets an untyped
 * side of a binary operator take the other one's type first. cast_to[i] equals args[i]
 * where nothing is to be cast; NUMERIC that an untyped literal is to become has precision
 * 0: see cast_type(). Functions that compare (or make a common type of) strings keep
 * CHAR(n) only if all of them are. */
kdk_status fn_resolve(const char *name, bool is_operator, const struct ltype *args,
                      uint32_t arg_count, uint32_t *id, struct ltype *cast_to,
                      struct err *err) KDK_MUST_CHECK;

/* Casts. */
enum cast_context { CAST_IMPLICIT, CAST_ASSIGNMENT, CAST_EXPLICIT };
/* Is there a cast from one type to the other that this context may use? Same type: yes
 * (modifiers are then applied). LT_UNKNOWN casts to everything. */
bool cast_allowed(struct ltype from, struct ltype to, enum cast_context context);
/* May the conversion raise an error for some value? Modifiers count: numeric(10,2) to
 * numeric(12,2) cannot fail. */
bool cast_can_fail(struct ltype from, struct ltype to);
/* A NUMERIC without precision has no scale, so no value can have it as its type. This is
 * the type that a cast of `from` to `to` makes: to itself, except that NUMERIC becomes the
 * one that holds every value of from: (10,0) for integer, the argument's for numeric, as
 * many digits as an untyped `literal` has (its text, NULL when unknown), else (38,10).
 * Binders give EX_CAST this type. */
struct ltype cast_type(struct ltype from, struct ltype to, const struct str *literal);
/* The type that UNION, CASE, COALESCE, VALUES, IN bring these to (PostgreSQL 10.5);
 * KDK_TYPE_MISMATCH if there is none; `what` ("UNION", "CASE") for the message. */
kdk_status type_common(const struct ltype *types, uint32_t count, const char *what,
                       struct ltype *out, struct err *err) KDK_MUST_CHECK;

/* enum fn_id */
#include "catalog/fn_list.h"

#endif
