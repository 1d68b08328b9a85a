/* fn.c - the table made from fn_list.h, and PostgreSQL's rules for picking an entry, a
 * cast, a common type. */
#include "catalog/fn.h"

#include <stdlib.h>

#include "catalog/fn_field.h"

#define LT_ANY          FN_ANY
#define FA0             .arg_count = 0
#define FA1(A)          .arg_count = 1, .args = {LT_##A}
#define FA2(A, B)       .arg_count = 2, .args = {LT_##A, LT_##B}
#define FA3(A, B, C)    .arg_count = 3, .args = {LT_##A, LT_##B, LT_##C}
#define FA4(A, B, C, D) .arg_count = 4, .args = {LT_##A, LT_##B, LT_##C, LT_##D}
#define FA6(A, B, C, D, E, F)                                                              \
    .arg_count = 6, .args = {LT_##A, LT_##B, LT_##C, LT_##D, LT_##E, LT_##F}
#define FAV1(A)       .variadic = true, FA1(A)
#define FAV2(A, B)    .variadic = true, FA2(A, B)
#define NULLS_strict  true
#define NULLS_null_ok false
#define FAILS_fails   true
#define FAILS_safe    false

const struct fn fn_table[] = {
#define FN_ROW(ID, NAME, KIND, NULLS, FAILS, VOLATILITY, RULE, RESULT, COST, ...)          \
    [FN_##ID] = {.name = NAME,                                                             \
                 .kind = FN_##KIND,                                                        \
                 .strict = NULLS_##NULLS,                                                  \
                 .can_fail = FAILS_##FAILS,                                                \
                 .volatility = FN_##VOLATILITY,                                            \
                 .result_rule = FN_RET_##RULE,                                             \
                 .result = LT_##RESULT,                                                    \
                 .cost = COST,                                                             \
                 __VA_ARGS__},
    FN_LIST(FN_ROW)
#undef FN_ROW
};
const uint32_t fn_count = FN_ID_COUNT;

/* ------------------------------------------------------------------ names ---- */

static const struct {
    const char *alias, *name;
} aliases[] = {
#define FN_ALIAS(ALIAS, NAME) {ALIAS, NAME},
    FN_ALIASES(FN_ALIAS)
#undef FN_ALIAS
};

/* Ids in order of (name, id). Made once, while the library is loaded: before there is a
 * second thread. */
static uint32_t by_name[FN_ID_COUNT];

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int c = strcmp(fn_table[x].name, fn_table[y].name);
    return c ? c : (x > y) - (x < y);
}

__attribute__((constructor)) static void sort_names(void)
{
    for (uint32_t i = 0; i < FN_ID_COUNT; i++)
        by_name[i] = i;
    qsort(by_name, FN_ID_COUNT, sizeof by_name[0], compare_ids);
}

void fn_by_name(const char *name, const uint32_t **ids, uint32_t *count)
{
    for (size_t i = 0; i < COUNT_OF(aliases); i++)
        if (strcmp(aliases[i].alias, name) == 0) {
            name = aliases[i].name;
            break;
        }
    uint32_t lo = 0, hi = FN_ID_COUNT;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (strcmp(fn_table[by_name[mid]].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    uint32_t end = lo;
    while (end < FN_ID_COUNT && strcmp(fn_table[by_name[end]].name, name) == 0)
        end++;
    *count = end - lo;
    *ids = end > lo ? by_name + lo : NULL;
}

/* ------------------------------------------------------------ comparisons ---- */

enum { COMPARED_TYPES = FN_NE_BOOL - FN_EQ_BOOL };
static_assert(FN_EQ_BOOL == 0, "comparisons come first in the list");
static_assert(FN_EQ_TS - FN_EQ_BOOL == LT_TIMESTAMP - LT_BOOLEAN,
              "in the order of enum ltype_id");
static_assert(FN_GE_TS == 6 * COMPARED_TYPES - 1, "in the order of enum fn_comparison");

enum fn_comparison fn_comparison_kind(uint32_t id)
{
    return id > FN_GE_TS ? CMP_NONE : (enum fn_comparison)(id / COMPARED_TYPES);
}

uint32_t fn_comparison_of(enum fn_comparison kind, struct ltype type)
{
    ASSERT(type.id >= LT_BOOLEAN);
    ASSERT(type.id <= LT_TIMESTAMP);
    return (uint32_t)kind * COMPARED_TYPES + (uint32_t)(type.id - LT_BOOLEAN);
}

enum fn_comparison fn_comparison_commuted(enum fn_comparison kind)
{
    static const enum fn_comparison map[] = {CMP_EQ, CMP_NE, CMP_GT,  CMP_GE,
                                             CMP_LT, CMP_LE, CMP_NONE};
    return map[kind];
}

enum fn_comparison fn_comparison_negated(enum fn_comparison kind)
{
    static const enum fn_comparison map[] = {CMP_NE, CMP_EQ, CMP_GE,  CMP_GT,
                                             CMP_LE, CMP_LT, CMP_NONE};
    return map[kind];
}

/* ------------------------------------------------------------ result types ---- */

enum { DIGITS_MAX = 38 };

static struct ltype numeric(int precision, int scale)
{
    scale = MIN(scale, DIGITS_MAX);
    precision = MAX(MIN(precision, DIGITS_MAX), MAX(scale, 1));
    return LTYPE_NUM((uint8_t)precision, (uint8_t)scale);
}

/* Precision and scale as if an integer were the numeric that it becomes. */
static void digits_of(struct ltype t, int *precision, int *scale)
{
    struct ltype n = cast_type(t, LTYPE(NUMERIC), NULL);
    *precision = n.precision;
    *scale = n.scale;
}

struct ltype fn_result(uint32_t id, const struct ltype *args, uint32_t arg_count,
                       int32_t digits)
{
    const struct fn *fn = &fn_table[id];
    int p0 = 0, s0 = 0, p1 = 0, s1 = 0;
    if (arg_count > 0)
        digits_of(args[0], &p0, &s0);
    if (arg_count > 1)
        digits_of(args[1], &p1, &s1);

    switch ((enum fn_result_rule)fn->result_rule) {
    case FN_RET_FIXED:
        return (struct ltype){.id = fn->result};
    case FN_RET_ARG0:
        return args[0];
    case FN_RET_NUM_ADD:
        return numeric(MAX(p0 - s0, p1 - s1) + 1 + MAX(s0, s1), MAX(s0, s1));
    case FN_RET_NUM_MUL:
        return numeric(p0 + p1, s0 + s1);
    case FN_RET_NUM_DIV:
        return numeric(DIGITS_MAX, MAX(6, s0) + 10);
    case FN_RET_NUM_MOD:
        return numeric(MIN(p0 - s0, p1 - s1) + MAX(s0, s1), MAX(s0, s1));
    case FN_RET_NUM_SUM:
        return numeric(DIGITS_MAX, s0);
    case FN_RET_COMMON: {
        struct ltype common;
        if (type_common(args, arg_count, "arguments", &common, NULL) != KDK_OK)
            return args[0];
        return common;
    }
    case FN_RET_TEXT:
        return LTYPE(TEXT);
    case FN_RET_NUM_ROUND: {
        bool places = arg_count == 2 && fn->args[1] == LT_INTEGER;
        int scale = !places                       ? 0
                    : digits == FN_DIGITS_UNKNOWN ? s0
                                                  : MAX(0, MIN(digits, DIGITS_MAX));
        return numeric(places && digits == FN_DIGITS_UNKNOWN ? DIGITS_MAX
                                                             : p0 - s0 + s1 + 1 + scale,
                       scale);
    }
    case FN_RET_EXTRACT:
        return numeric(DIGITS_MAX, digits == FN_DIGITS_UNKNOWN ? 6 : digits);
    }
    return args[0];
}

/* The second argument says the scale of round(); the field that of extract(). A date has no
 * time, so that its epoch is whole. */
int32_t fn_result_digits(uint32_t id, const struct datum *const *constants,
                         uint32_t arg_count)
{
    const struct fn *fn = &fn_table[id];
    if (fn->result_rule == FN_RET_EXTRACT && arg_count == 2 && constants[0] &&
        !constants[0]->null) {
        const struct str *name = &constants[0]->s;
        enum date_field field = date_field_of(str_data(name), name->len);
        return (field == DF_EPOCH || field == DF_JULIAN) && fn->args[1] == LT_DATE
                   ? 0
                   : date_field_digits(field);
    }
    if (fn->result_rule == FN_RET_NUM_ROUND && arg_count == 2 && constants[1] &&
        !constants[1]->null && fn->args[1] == LT_INTEGER)
        return (int32_t)MAX(-DIGITS_MAX, MIN(constants[1]->i, DIGITS_MAX));
    return FN_DIGITS_UNKNOWN;
}

/* A pattern must not end in its escape character. */
static bool pattern_is_good(const struct datum *pattern, const struct datum *escape)
{
    char e = '\\';
    if (!pattern)
        return false;
    if (escape) {
        if (escape->null)
            return true;
        if (escape->s.len > 1)
            return false; /* A longer character, or an error. */
        if (escape->s.len == 0)
            return true;
        e = str_data(&escape->s)[0];
    }
    if (pattern->null)
        return true;
    const char *p = str_data(&pattern->s);
    for (uint32_t i = 0; i < pattern->s.len; i++)
        if (p[i] == e && ++i == pattern->s.len)
            return false;
    return true;
}

bool fn_call_can_fail(uint32_t id, const struct ltype *args,
                      const struct datum *const *constants, uint32_t arg_count)
{
    const struct fn *fn = &fn_table[id];
    const struct datum *c[FN_ARGS_MAX] = {NULL};
    int p0, s0, p1 = 0, s1 = 0;

    if (!fn->can_fail)
        return false;
    if (arg_count == 0)
        return true;
    for (uint32_t i = 0; constants && i < arg_count && i < FN_ARGS_MAX; i++)
        c[i] = constants[i];
    digits_of(args[0], &p0, &s0);
    if (arg_count > 1)
        digits_of(args[1], &p1, &s1);

    switch (id) {
#define INTEGER_DIVISIONS(S)                                                               \
    case FN_DIV_##S:                                                                       \
    case FN_IDIV_##S:                                                                      \
        return !(c[1] && (c[1]->null || (c[1]->i != 0 && c[1]->i != -1)));                 \
    case FN_MOD_##S:                                                                       \
        return !(c[1] && (c[1]->null || c[1]->i != 0));
        INTEGER_DIVISIONS(I1)
        INTEGER_DIVISIONS(I2)
        INTEGER_DIVISIONS(I4)
        INTEGER_DIVISIONS(I8)
#undef INTEGER_DIVISIONS
    case FN_ADD_NUM:
    case FN_SUB_NUM:
        return MAX(p0 - s0, p1 - s1) + 1 + MAX(s0, s1) > DIGITS_MAX;
    case FN_MUL_NUM:
        return p0 + p1 > DIGITS_MAX;
    case FN_DIV_NUM:
        return !(c[1] && (c[1]->null || c[1]->w != 0)) ||
               p0 - s0 + s1 + MAX(6, s0) + 10 > DIGITS_MAX;
    case FN_MOD_NUM:
        return !(c[1] && (c[1]->null || c[1]->w != 0));
    case FN_ROUND_NUM_I4:
    case FN_TRUNC_NUM_I4:
        return !c[1] || (!c[1]->null && (p0 - s0 + 1 + MAX(c[1]->i, 0) > DIGITS_MAX));
    case FN_SUM_I8: /* 2^64 rows of 2^63 have fewer than 39 digits. */
        return false;
    case FN_SUM_NUM: /* So have 10^19 rows of 19 digits. */
        return p0 > DIGITS_MAX / 2;
    case FN_LIKE:
    case FN_ILIKE:
        return !pattern_is_good(c[1], NULL);
    case FN_LIKE_ESCAPE:
    case FN_ILIKE_ESCAPE:
        return !c[2] || !pattern_is_good(c[1], c[2]);
    case FN_EXTRACT_DATE:
    case FN_DATE_PART_DATE:
    case FN_EXTRACT_TS:
    case FN_DATE_PART_TS:
    case FN_DATE_TRUNC_TS: {
        if (!c[0])
            return true;
        if (c[0]->null)
            return false;
        enum date_field field = date_field_of(str_data(&c[0]->s), c[0]->s.len);
        return field == DF_NONE ||
               ((id == FN_EXTRACT_DATE || id == FN_EXTRACT_TS) &&
                date_field_grows(field)) ||
               (id == FN_DATE_TRUNC_TS && !date_field_truncates(field)) ||
               (date_field_is_time(field) && args[1].id == LT_DATE);
    }
    default: /* Most of them have nothing to add to their line in the list. */
        return true;
    }
}

/* -------------------------------------------------------------- resolution ---- */

/* PostgreSQL's type categories, and whether the type is its category's preferred one. */
enum { CAT_BOOL, CAT_NUMBER, CAT_STRING, CAT_DATE, CAT_USER, CAT_UNKNOWN, CAT_ANY };

static int category(uint8_t id)
{
    switch (id) {
    case LT_BOOLEAN:
        return CAT_BOOL;
    case LT_TINYINT:
    case LT_SMALLINT:
    case LT_INTEGER:
    case LT_BIGINT:
    case LT_NUMERIC:
    case LT_REAL:
    case LT_DOUBLE:
        return CAT_NUMBER;
    case LT_TEXT:
        return CAT_STRING;
    case LT_DATE:
    case LT_TIMESTAMP:
    case LT_TIMESTAMPTZ:
        return CAT_DATE;
    case LT_UNKNOWN:
        return CAT_UNKNOWN;
    case FN_ANY:
        return CAT_ANY;
    default: /* bytea, and the reserved ones */
        return CAT_USER;
    }
}

static bool preferred(uint8_t id)
{
    return id == LT_BOOLEAN || id == LT_DOUBLE || id == LT_TEXT || id == LT_TIMESTAMP;
}

/* The listed type of argument i. */
static uint8_t param(const struct fn *fn, uint32_t i)
{
    return fn->args[MIN(i, (uint32_t)fn->arg_count - 1)];
}

static bool takes(const struct fn *fn, uint32_t arg_count)
{
    return fn->variadic ? arg_count >= fn->arg_count : arg_count == fn->arg_count;
}

static bool reaches(struct ltype from, uint8_t to)
{
    return to == FN_ANY || cast_allowed(from, (struct ltype){.id = to}, CAST_IMPLICIT);
}

/* "character varying": a type's name without its modifiers. */
static const char *base_name(struct ltype t)
{
    if (t.id == LT_TEXT)
        return t.fixed ? "character" : t.length ? "character varying" : "text";
    return ltype_id_name(t.id);
}

static void signature(char *into, size_t bytes, const char *name, bool is_operator,
                      const struct ltype *args, uint32_t arg_count)
{
    size_t at = 0;
    into[0] = '\0';
#define ADD(TEXT)                                                                          \
    do {                                                                                   \
        size_t len_ = strlen(TEXT), room_ = bytes - 1 - at;                                \
        len_ = MIN(len_, room_);                                                           \
        memcpy(into + at, TEXT, len_);                                                     \
        at += len_;                                                                        \
        into[at] = '\0';                                                                   \
    } while (0)
    if (is_operator && arg_count == 2) {
        ADD(base_name(args[0]));
        ADD(" ");
    }
    ADD(name);
    if (is_operator) {
        ADD(" ");
        ADD(base_name(args[arg_count - 1]));
        return;
    }
    ADD("(");
    for (uint32_t i = 0; i < arg_count; i++) {
        if (i)
            ADD(", ");
        ADD(base_name(args[i]));
    }
    ADD(")");
#undef ADD
}

/* Candidates are ids in cand[0..*n-1]; each step keeps some of them, or all when none would
 * be left. */
struct candidates {
    uint32_t *ids;
    uint32_t n;
};

static void keep_best(struct candidates *c, const uint32_t *score)
{
    uint32_t best = 0, kept = 0;
    for (uint32_t i = 0; i < c->n; i++)
        best = MAX(best, score[i]);
    for (uint32_t i = 0; i < c->n; i++)
        if (score[i] == best)
            c->ids[kept++] = c->ids[i];
    c->n = kept;
}

/* Step "run through the unknown arguments": all candidates that are left agree on a
 * category there, or one of them takes strings. */
static void keep_unknown_category(struct candidates *c, const struct ltype *args,
                                  uint32_t arg_count)
{
    uint32_t score[FN_ID_COUNT];
    int want[FN_ARGS_MAX];
    bool want_preferred[FN_ARGS_MAX];

    for (uint32_t i = 0; i < arg_count && i < FN_ARGS_MAX; i++) {
        want[i] = -1;
        want_preferred[i] = false;
        if (args[i].id != LT_UNKNOWN)
            continue;
        bool conflict = false;
        for (uint32_t k = 0; k < c->n; k++) {
            uint8_t type = param(&fn_table[c->ids[k]], i);
            int cat = category(type);
            if (want[i] < 0 || (cat == CAT_STRING && want[i] != CAT_STRING)) {
                want[i] = cat;
                want_preferred[i] = preferred(type);
            } else if (cat == want[i]) {
                want_preferred[i] |= preferred(type);
            } else if (want[i] != CAT_STRING) {
                conflict = true;
            }
        }
        if (conflict && want[i] != CAT_STRING)
            return; /* No agreement: this step does not help. */
    }
    for (uint32_t k = 0; k < c->n; k++) {
        score[k] = 1;
        for (uint32_t i = 0; i < arg_count && i < FN_ARGS_MAX; i++) {
            uint8_t type = param(&fn_table[c->ids[k]], i);
            if (args[i].id == LT_UNKNOWN &&
                (category(type) != want[i] || (want_preferred[i] && !preferred(type))))
                score[k] = 0;
        }
    }
    keep_best(c, score);
}

/* The last step: if all known arguments are of one type, and exactly one candidate takes it
 * where the unknown ones are, that one. */
static void keep_same_type(struct candidates *c, const struct ltype *args,
                           uint32_t arg_count)
{
    uint8_t known = LT_UNKNOWN;
    for (uint32_t i = 0; i < arg_count; i++) {
        if (args[i].id == LT_UNKNOWN)
            continue;
        if (known != LT_UNKNOWN && known != args[i].id)
            return;
        known = args[i].id;
    }
    if (known == LT_UNKNOWN)
        return;
    uint32_t found = 0, id = 0;
    for (uint32_t k = 0; k < c->n; k++) {
        bool all = true;
        for (uint32_t i = 0; i < arg_count; i++)
            all &= args[i].id != LT_UNKNOWN ||
                   reaches((struct ltype){.id = known}, param(&fn_table[c->ids[k]], i));
        if (all) {
            found++;
            id = c->ids[k];
        }
    }
    if (found == 1) {
        c->ids[0] = id;
        c->n = 1;
    }
}

static bool exact(const struct fn *fn, const struct ltype *args, uint32_t arg_count,
                  uint8_t unknown_as)
{
    for (uint32_t i = 0; i < arg_count; i++)
        if (param(fn, i) != (args[i].id == LT_UNKNOWN ? unknown_as : args[i].id))
            return false;
    return true;
}

static void pick(struct candidates *c, bool is_operator, const struct ltype *args,
                 uint32_t arg_count)
{
    uint32_t score[FN_ID_COUNT];
    uint8_t unknown_as = LT_UNKNOWN;

    struct ltype wider[2];
    if (is_operator && arg_count == 2 &&
        (args[0].id == LT_REAL) != (args[1].id == LT_REAL) &&
        category(args[0].id) == category(args[1].id)) {
        /* PostgreSQL has operators of real with double precision, which win where real
         * meets another number. */
        for (int i = 0; i < 2; i++)
            wider[i] = args[i].id == LT_REAL ? LTYPE(DOUBLE) : args[i];
        args = wider;
    }
    if (is_operator && arg_count == 2)
        unknown_as = args[0].id == LT_UNKNOWN ? args[1].id : args[0].id;
    for (uint32_t k = 0; k < c->n; k++)
        if (exact(&fn_table[c->ids[k]], args, arg_count, unknown_as)) {
            c->ids[0] = c->ids[k];
            c->n = 1;
            return;
        }

    uint32_t kept = 0;
    for (uint32_t k = 0; k < c->n; k++) {
        bool all = true;
        for (uint32_t i = 0; i < arg_count; i++)
            all &= reaches(args[i], param(&fn_table[c->ids[k]], i));
        if (all)
            c->ids[kept++] = c->ids[k];
    }
    c->n = kept;
    if (c->n <= 1)
        return;

    for (int with_preferred = 0; with_preferred < 2 && c->n > 1; with_preferred++) {
        for (uint32_t k = 0; k < c->n; k++) {
            score[k] = 0;
            for (uint32_t i = 0; i < arg_count; i++) {
                uint8_t type = param(&fn_table[c->ids[k]], i);
                if (args[i].id == LT_UNKNOWN)
                    continue;
                score[k] += type == args[i].id || (with_preferred && preferred(type) &&
                                                   category(type) == category(args[i].id));
            }
        }
        keep_best(c, score);
    }
    if (c->n > 1)
        keep_unknown_category(c, args, arg_count);
    if (c->n > 1)
        keep_same_type(c, args, arg_count);
}

/* CHAR(n) means something only where all strings of the call have it. */
static bool keeps_char(const struct fn *fn)
{
    return fn_comparison_kind((uint32_t)(fn - fn_table)) != CMP_NONE ||
           fn->result_rule == FN_RET_COMMON;
}

static void convert(const struct fn *fn, const struct ltype *args, uint32_t arg_count,
                    struct ltype *cast_to)
{
    /* Beside varchar(n), char(n) stays what it is; beside text it becomes text. */
    bool all_char = true, any_char = false,
         one_scale = fn_comparison_kind((uint32_t)(fn - fn_table)) != CMP_NONE;
    for (uint32_t i = 0; i < arg_count; i++) {
        if (args[i].id == LT_UNKNOWN)
            continue;
        any_char |= args[i].fixed;
        all_char &= args[i].fixed || (args[i].id == LT_TEXT && args[i].length);
    }
    for (uint32_t i = 0; i < arg_count; i++) {
        uint8_t to = param(fn, i);
        if (to == FN_ANY) {
            cast_to[i] = args[i].id == LT_UNKNOWN ? LTYPE(TEXT) : args[i];
        } else if (to == LT_NUMERIC) {
            cast_to[i] = args[i].id == LT_UNKNOWN
                             ? LTYPE(NUMERIC)
                             : cast_type(args[i], LTYPE(NUMERIC), NULL);
            one_scale &= args[i].id != LT_UNKNOWN;
        } else if (to == LT_TEXT) {
            bool as_char = keeps_char(fn) && all_char && any_char;
            if (args[i].id != LT_TEXT || (as_char && !args[i].fixed))
                cast_to[i] =
                    as_char ? (struct ltype){.id = LT_TEXT, .fixed = 1} : LTYPE(TEXT);
            else if (args[i].fixed && !as_char && arg_count > 0 &&
                     fn->result_rule != FN_RET_ARG0)
                cast_to[i] = LTYPE(TEXT);
            else
                cast_to[i] = args[i];
        } else {
            cast_to[i] = args[i].id == to ? args[i] : (struct ltype){.id = to};
        }
    }
    /* Decimals are compared at one scale if 38 digits hold both sides. If not, the body
     * copes. */
    if (one_scale && arg_count == 2 && param(fn, 0) == LT_NUMERIC &&
        cast_to[0].scale != cast_to[1].scale) {
        int scale = MAX(cast_to[0].scale, cast_to[1].scale);
        int whole = MAX(cast_to[0].precision - cast_to[0].scale,
                        cast_to[1].precision - cast_to[1].scale);
        if (whole + scale <= DIGITS_MAX)
            for (int i = 0; i < 2; i++)
                if (cast_to[i].scale != scale)
                    cast_to[i] =
                        numeric(cast_to[i].precision - cast_to[i].scale + scale, scale);
    }
}

/* Where PostgreSQL has overloads for types that are not here (money, intervals, points,
 * times with a zone), untyped literals alone do not tell which is meant. */
static bool ambiguous_there(const char *name, bool is_operator, const struct ltype *args,
                            uint32_t arg_count)
{
    static const struct {
        const char *name;
        uint8_t arg_count;
        bool is_operator, last_alone;
    } names[] = {{"/", 2, true, false},          {"*", 2, true, false},
                 {"-", 1, true, false},          {"sum", 1, false, false},
                 {"avg", 1, false, false},       {"trunc", 1, false, false},
                 {"bit_count", 1, false, false}, {"extract", 2, false, true},
                 {"date_part", 2, false, true},  {"date_trunc", 2, false, true},
                 {"isfinite", 1, false, false}};
    /* date + integer, or an interval, or a time? */
    if (is_operator && arg_count == 2 && strcmp(name, "+") == 0)
        return (args[0].id == LT_DATE && args[1].id == LT_UNKNOWN) ||
               (args[0].id == LT_UNKNOWN && args[1].id == LT_DATE);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (names[i].arg_count != arg_count || names[i].is_operator != is_operator ||
            strcmp(names[i].name, name) != 0)
            continue;
        for (uint32_t a = names[i].last_alone ? arg_count - 1 : 0; a < arg_count; a++)
            if (args[a].id != LT_UNKNOWN)
                return false;
        return true;
    }
    return false;
}

kdk_status fn_resolve(const char *name, bool is_operator, const struct ltype *args,
                      uint32_t arg_count, uint32_t *id, struct ltype *cast_to,
                      struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t room[FN_ID_COUNT];
    struct candidates c = {room, 0};
    const uint32_t *ids;
    uint32_t count;
    char text[400];

    fn_by_name(name, &ids, &count);
    for (uint32_t i = 0; i < count; i++)
        if (takes(&fn_table[ids[i]], arg_count))
            room[c.n++] = ids[i];
    const bool unclear = ambiguous_there(name, is_operator, args, arg_count);
    if (c.n > 0 && arg_count > 0 && !unclear)
        pick(&c, is_operator, args, arg_count);
    if (c.n != 1 || unclear) {
        signature(text, sizeof text, name, is_operator, args, arg_count);
        const char *what = is_operator ? "operator" : "function";
        if (c.n == 0) {
            status = is_operator ? err_set(err, KDK_UNDEFINED_FUNCTION,
                                           "operator does not exist: %s", text)
                                 : err_set(err, KDK_UNDEFINED_FUNCTION,
                                           "function %s does not exist", text);
            if (is_operator && arg_count == 1)
                err_hint(err, "No operator matches the given name and argument type. You "
                              "might need to add an "
                              "explicit type cast.");
            else
                err_hint(err,
                         "No %s matches the given name and argument types. You might need "
                         "to add explicit type "
                         "casts.",
                         what);
        } else {
            status = is_operator ? err_set(err, KDK_AMBIGUOUS_FUNCTION,
                                           "operator is not unique: %s", text)
                                 : err_set(err, KDK_AMBIGUOUS_FUNCTION,
                                           "function %s is not unique", text);
            err_hint(err,
                     "Could not choose a best candidate %s. You might need to add explicit "
                     "type casts.",
                     what);
        }
        goto out;
    }
    *id = room[0];
    convert(&fn_table[*id], args, arg_count, cast_to);
    if (fn_table[*id].result_rule == FN_RET_COMMON) {
        struct ltype common;
        TRY(type_common(args, arg_count,
                        *id == FN_GREATEST ? "GREATEST"
                        : *id == FN_LEAST  ? "LEAST"
                                           : name,
                        &common, err));
        for (uint32_t i = 0; i < arg_count; i++)
            cast_to[i] = common;
    }
out:
    return status;
}

/* ------------------------------------------------------------------- casts ---- */

bool cast_allowed(struct ltype from, struct ltype to, enum cast_context context)
{
    if (!ltype_supported(from) || !ltype_supported(to))
        return false;
    if (from.id == to.id || from.id == LT_UNKNOWN)
        return true;
    if (to.id == LT_UNKNOWN)
        return false;
    /* Numbers widen in the order of their ids. */
    if (ltype_is_number(from) && ltype_is_number(to))
        return from.id < to.id || context >= CAST_ASSIGNMENT;
    if (from.id == LT_DATE && to.id == LT_TIMESTAMP)
        return true;
    if (from.id == LT_TIMESTAMP && to.id == LT_DATE)
        return context >= CAST_ASSIGNMENT;
    if ((from.id == LT_BOOLEAN && to.id == LT_INTEGER) ||
        (from.id == LT_INTEGER && to.id == LT_BOOLEAN))
        return context == CAST_EXPLICIT;
    if (to.id == LT_TEXT) /* By printing. */
        return context >= CAST_ASSIGNMENT;
    if (from.id == LT_TEXT) /* By parsing. */
        return context == CAST_EXPLICIT;
    return false;
}

/* Digits before the point that any value of the type may have. */
static int whole_digits(struct ltype t)
{
    int precision, scale;
    digits_of(t, &precision, &scale);
    return precision - scale;
}

bool cast_can_fail(struct ltype from, struct ltype to)
{
    if (to.id == LT_TEXT)
        return to.length != 0 &&
               !(from.id == LT_TEXT && from.length != 0 && from.length <= to.length);
    if (from.id == LT_UNKNOWN || from.id == LT_TEXT)
        return to.id != from.id;
    if (to.id == LT_NUMERIC) {
        if (ltype_is_float(from))
            return true;
        /* Fewer digits after the point may round up into one more before it. */
        bool rounds = from.id == LT_NUMERIC && from.scale > to.scale;
        return to.precision != 0 && whole_digits(from) + rounds > to.precision - to.scale;
    }
    /* Rounding may leave the range. */
    if (from.id == LT_TIMESTAMP && to.id == LT_TIMESTAMP)
        return to.precision != 0 && to.precision != from.precision;
    if (from.id == to.id)
        return false;
    if (ltype_is_number(from) && ltype_is_number(to))
        return from.id > to.id || (to.id == LT_REAL && from.id == LT_NUMERIC);
    if (from.id == LT_DATE && to.id == LT_TIMESTAMP)
        return true; /* Dates go further. */
    return false;
}

struct ltype cast_type(struct ltype from, struct ltype to, const struct str *literal)
{
    if (to.id != LT_NUMERIC || to.precision != 0)
        return to;
    switch (from.id) {
    case LT_TINYINT:
        return LTYPE_NUM(3, 0);
    case LT_SMALLINT:
        return LTYPE_NUM(5, 0);
    case LT_INTEGER:
        return LTYPE_NUM(10, 0);
    case LT_BIGINT:
        return LTYPE_NUM(19, 0);
    case LT_NUMERIC:
        return from.precision ? from : LTYPE_NUM(38, 10);
    default:
        break; /* Any other holds no digits that one could count. */
    }
    if (!literal)
        return LTYPE_NUM(38, 10);
    /* Digits of the text: [sign] digits [. digits] [e exponent]. Nonsense gets a type too;
     * parsing it words the error. */
    const char *p = str_data(literal);
    int whole = 0, after = 0, exponent = 0, sign = 1;
    bool point = false, zeros = true;
    uint32_t i = 0;
    for (; i < literal->len && p[i] != 'e' && p[i] != 'E'; i++) {
        if (p[i] == '.') {
            point = true;
        } else if (p[i] >= '0' && p[i] <= '9') {
            zeros &= p[i] == '0';
            if (point)
                after = MIN(after + 1, 1000);
            else if (!zeros)
                whole = MIN(whole + 1, 1000);
        }
    }
    for (i++; i < literal->len; i++) {
        if (p[i] == '-')
            sign = -1;
        else if (p[i] >= '0' && p[i] <= '9')
            exponent = MIN(exponent * 10 + (p[i] - '0'), 10000);
    }
    exponent *= sign;
    int scale = MIN(MAX(after - exponent, 0), DIGITS_MAX);
    return numeric(MAX(whole + exponent, 0) + scale, scale);
}

/* ------------------------------------------------------------ common types ---- */

static struct ltype merge_modifiers(struct ltype a, struct ltype b)
{
    if (a.id == LT_NUMERIC) {
        if (a.precision == 0 || b.precision == 0)
            return LTYPE_NUM(38, 10);
        int scale = MAX(a.scale, b.scale),
            whole = MAX(a.precision - a.scale, b.precision - b.scale);
        return numeric(whole + scale, scale);
    }
    if (a.id == LT_TIMESTAMP && !ltype_equal(a, b))
        return LTYPE(TIMESTAMP);
    if (a.id == LT_TEXT && !ltype_equal(a, b))
        /* The first one's name, and no length. */
        return (struct ltype){.id = LT_TEXT, .fixed = a.fixed};
    return a;
}

kdk_status type_common(const struct ltype *types, uint32_t count, const char *what,
                       struct ltype *out, struct err *err)
{
    struct ltype best = LTYPE(UNKNOWN);
    for (uint32_t i = 0; i < count; i++) {
        struct ltype t = types[i];
        if (t.id == LT_UNKNOWN || t.id == best.id)
            continue;
        if (best.id == LT_UNKNOWN) {
            best = t;
        } else if (category(best.id) != category(t.id) ||
                   (category(t.id) == CAT_USER && t.id != best.id)) {
            return err_set(err, KDK_TYPE_MISMATCH, "%s types %s and %s cannot be matched",
                           what, base_name(best), base_name(t));
        } else if (!preferred(best.id) && cast_allowed(best, t, CAST_IMPLICIT) &&
                   !cast_allowed(t, best, CAST_IMPLICIT)) {
            best = t;
        }
    }
    if (best.id == LT_UNKNOWN) {
        *out = LTYPE(TEXT);
        return KDK_OK;
    }
    /* Modifiers: one that all agree on, or that holds all. */
    bool first = true, literals = false;
    struct ltype merged = best;
    for (uint32_t i = 0; i < count; i++) {
        struct ltype t = types[i];
        literals |= t.id == LT_UNKNOWN;
        if (t.id == LT_UNKNOWN)
            continue;
        if (best.id == LT_NUMERIC)
            t = cast_type(t, LTYPE(NUMERIC), NULL);
        else if (t.id != best.id)
            t = (struct ltype){.id = best.id};
        merged = first ? t : merge_modifiers(merged, t);
        first = false;
    }
    if (literals && merged.id == LT_TEXT) /* They have no length, and all digits. */
        merged.length = 0;
    if (literals && merged.id == LT_TIMESTAMP)
        merged.precision = 0;
    *out = merged;
    return KDK_OK;
}
