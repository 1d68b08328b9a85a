/* fn_body.h - what the bodies of scalar functions are, and what they share. Private to
 * exec. */
#ifndef KDK_EXEC_FN_BODY_H
#define KDK_EXEC_FN_BODY_H

#include "catalog/fn_field.h"
#include "exec/eval.h"

/* One call. The bound node has the types: of argument i call->expr->args[i]->type, of the
 * result call->expr->type. */
struct fn_call {
    const struct expr *expr;
    /* For results that do not fit a struct str; lives as long as they. */
    struct arena *arena;
    const struct eval_env *env;
    struct err *err;
    kdk_status status; /* Set by a body that returns false. */
};

/* False: call->status and the error are set. A strict function's body sees no NULLs; *out
 * comes as zero and not NULL. Text results may be views of text arguments: a short one is
 * copied into *out, as struct str does. */
typedef bool (*fn_body)(struct fn_call *call, const struct datum *args, struct datum *out);

/* By enum fn_id; NULL for aggregates. */
extern const fn_body fn_bodies[];

/* Every scalar entry of the list has a body of this name; one that is missing does not
 * link. */
#define FN_DECLARE_SCALAR(ID)                                                              \
    bool fn_do_##ID(struct fn_call *call, const struct datum *args, struct datum *out);
#define FN_DECLARE_AGGREGATE(ID)
#define FN_DECLARE(ID, NAME, KIND, ...) FN_DECLARE_##KIND(ID)
FN_LIST(FN_DECLARE)
#undef FN_DECLARE

#define FN_BODY(ID)                                                                        \
    bool fn_do_##ID(struct fn_call *call __attribute__((unused)),                          \
                    const struct datum *args __attribute__((unused)), struct datum *out)

static inline struct ltype fn_arg_type(const struct fn_call *call, uint32_t i)
{
    return call->expr->args[i]->type;
}

/* Set call->status and the message; false. */
bool fn_fail(struct fn_call *call, kdk_status status, const char *format, ...)
    KDK_PRINTF(3, 4);
bool fn_fail_nomem(struct fn_call *call);
/* 22003 "integer out of range" */
bool fn_fail_range(struct fn_call *call, uint8_t type_id);

/* Room for a text result of `bytes`: in *out itself when it is short. Fill it, then
 * fn_text_done(). NULL: failed (NOMEM, or 54000 above VALUE_BYTES_MAX). */
char *fn_text_room(struct fn_call *call, size_t bytes, struct datum *out);
void fn_text_done(struct datum *out);
bool fn_text_copy(struct fn_call *call, const char *text, size_t bytes, struct datum *out);
/* The part of argument `in` from byte `from`: a view. */
static inline struct str fn_text_view(const struct datum *in, size_t from, size_t bytes)
{
    return str_of(str_data(&in->s) + from, bytes);
}

/* Values of possibly different modifiers (decimals of other scales, CHAR against TEXT). Not
 * NULL. */
int value_compare(struct ltype a_type, const struct datum *a, struct ltype b_type,
                  const struct datum *b);

/* Unicode's simple case mapping, for the scripts that have one within two bytes. */
uint32_t fn_lower(uint32_t code);
uint32_t fn_upper(uint32_t code);

/* A field of a finite date and time of day, in units of 10^-6. */
int128 fn_date_field(enum date_field field, int64_t days, int64_t us);

#endif
