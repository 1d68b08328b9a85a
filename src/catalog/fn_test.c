#include "catalog/fn.h"

#include <stdio.h>

#include "catalog/fn_field.h"
#include "check.h"

TEST(catalog_fn, every_entry_is_found_by_its_name_and_fits_its_kind)
{
    for (uint32_t id = 0; id < fn_count; id++) {
        const struct fn *fn = &fn_table[id];
        const uint32_t *ids;
        uint32_t count, found = 0;
        fn_by_name(fn->name, &ids, &count);
        for (uint32_t i = 0; i < count; i++) {
            found += ids[i] == id;
            if (i > 0)
                CHECK(ids[i - 1] < ids[i]);
        }
        CHECK_EQ(found, 1);
        CHECK(fn->cost > 0);
        CHECK(fn->arg_count <= FN_ARGS_MAX);
        CHECK(!fn->variadic || fn->arg_count > 0);
        if (fn_comparison_kind(id) != CMP_NONE) {
            CHECK_EQ(fn->args[0], fn->args[1]);
            CHECK_EQ(
                fn_comparison_of(fn_comparison_kind(id), (struct ltype){.id = fn->args[0]}),
                id);
            CHECK_EQ(fn->result, LT_BOOLEAN);
        }
    }
    const uint32_t *ids;
    uint32_t count;
    fn_by_name("no such function", &ids, &count);
    CHECK_EQ(count, 0);
    CHECK(ids == NULL);
#define CHECK_ALIAS(ALIAS, NAME)                                                           \
    do {                                                                                   \
        const uint32_t *other;                                                             \
        uint32_t other_count;                                                              \
        fn_by_name(ALIAS, &ids, &count);                                                   \
        fn_by_name(NAME, &other, &other_count);                                            \
        CHECK(count > 0 && ids == other);                                                  \
    } while (0);
    FN_ALIASES(CHECK_ALIAS)
}

/* Overloads differ in what they take: otherwise one could never be chosen. */
TEST(catalog_fn, no_two_entries_take_the_same)
{
    for (uint32_t a = 0; a < fn_count; a++)
        for (uint32_t b = a + 1; b < fn_count; b++)
            CHECK(strcmp(fn_table[a].name, fn_table[b].name) != 0 ||
                  fn_table[a].arg_count != fn_table[b].arg_count ||
                  memcmp(fn_table[a].args, fn_table[b].args, fn_table[a].arg_count) != 0);
}

TEST(catalog_fn, comparisons_turn_round)
{
    for (enum fn_comparison c = CMP_EQ; c < CMP_NONE; c++) {
        CHECK_EQ(fn_comparison_commuted(fn_comparison_commuted(c)), c);
        CHECK_EQ(fn_comparison_negated(fn_comparison_negated(c)), c);
        CHECK(fn_comparison_negated(c) != c);
    }
    CHECK_EQ(fn_comparison_commuted(CMP_LT), CMP_GT);
    CHECK_EQ(fn_comparison_negated(CMP_LT), CMP_GE);
}

#define I2      LTYPE(SMALLINT)
#define I4      LTYPE(INTEGER)
#define I8      LTYPE(BIGINT)
#define F8      LTYPE(DOUBLE)
#define TEXT    LTYPE(TEXT)
#define UNKNOWN LTYPE(UNKNOWN)
#define DATE    LTYPE(DATE)
#define TS      LTYPE(TIMESTAMP)
#define VARCHAR ((struct ltype){.id = LT_TEXT, .length = 9})
#define CHAR    ((struct ltype){.id = LT_TEXT, .length = 9, .fixed = 1})

static void check_pick(const char *name, bool is_operator, struct ltype a, struct ltype b,
                       uint32_t want, struct ltype cast_a, struct ltype cast_b,
                       struct ltype result)
{
    struct ltype args[] = {a, b}, cast_to[2];
    struct err err = {0};
    uint32_t id = 0;
    if (!CHECK_EQ(fn_resolve(name, is_operator, args, 2, &id, cast_to, &err), KDK_OK))
        return;
    CHECK_EQ(id, want);
    CHECK(ltype_equal(cast_to[0], cast_a));
    CHECK(ltype_equal(cast_to[1], cast_b));
    CHECK(ltype_equal(fn_result(id, cast_to, 2, FN_DIGITS_UNKNOWN), result));
}

TEST(catalog_fn, picks_as_postgresql)
{
    check_pick("+", true, I2, I2, FN_ADD_I2, I2, I2, I2);
    check_pick("+", true, I2, I4, FN_ADD_I4, I4, I4, I4);
    check_pick("+", true, I4, F8, FN_ADD_F8, F8, F8, F8);
    check_pick("+", true, I4, LTYPE(REAL), FN_ADD_F8, LTYPE(DOUBLE), LTYPE(DOUBLE),
               LTYPE(DOUBLE));
    check_pick("+", true, I4, UNKNOWN, FN_ADD_I4, I4, I4, I4);
    check_pick("+", true, DATE, I4, FN_ADD_DATE_I4, DATE, I4, DATE);
    check_pick("-", true, DATE, UNKNOWN, FN_SUB_DATE, DATE, DATE, I4);
    check_pick("+", true, I4, LTYPE_NUM(5, 2), FN_ADD_NUM, LTYPE_NUM(10, 0),
               LTYPE_NUM(5, 2), LTYPE_NUM(13, 2));
    check_pick("*", true, LTYPE_NUM(15, 2), LTYPE_NUM(15, 2), FN_MUL_NUM, LTYPE_NUM(15, 2),
               LTYPE_NUM(15, 2), LTYPE_NUM(30, 4));
    check_pick("*", true, LTYPE_NUM(38, 20), LTYPE_NUM(38, 20), FN_MUL_NUM,
               LTYPE_NUM(38, 20), LTYPE_NUM(38, 20), LTYPE_NUM(38, 38));
    check_pick("/", true, LTYPE_NUM(15, 2), I8, FN_DIV_NUM, LTYPE_NUM(15, 2),
               LTYPE_NUM(19, 0), LTYPE_NUM(38, 16));
    check_pick("/", true, LTYPE_NUM(20, 10), LTYPE_NUM(5, 0), FN_DIV_NUM, LTYPE_NUM(20, 10),
               LTYPE_NUM(5, 0), LTYPE_NUM(38, 20));
    check_pick("=", true, VARCHAR, UNKNOWN, FN_EQ_TEXT, VARCHAR, TEXT, LTYPE(BOOLEAN));
    check_pick("=", true, CHAR, UNKNOWN, FN_EQ_TEXT, CHAR,
               ((struct ltype){.id = LT_TEXT, .fixed = 1}), LTYPE(BOOLEAN));
    check_pick("=", true, CHAR, TEXT, FN_EQ_TEXT, TEXT, TEXT, LTYPE(BOOLEAN));
    check_pick("=", true, UNKNOWN, UNKNOWN, FN_EQ_TEXT, TEXT, TEXT, LTYPE(BOOLEAN));
    check_pick("=", true, DATE, TS, FN_EQ_TS, TS, TS, LTYPE(BOOLEAN));
    check_pick("<", true, LTYPE_NUM(15, 2), I4, FN_LT_NUM, LTYPE_NUM(15, 2),
               LTYPE_NUM(12, 2), LTYPE(BOOLEAN));
    check_pick("<", true, LTYPE_NUM(38, 0), LTYPE_NUM(3, 2), FN_LT_NUM, LTYPE_NUM(38, 0),
               LTYPE_NUM(3, 2), LTYPE(BOOLEAN));
    check_pick("||", true, TEXT, I4, FN_CONCAT_TEXT_ANY, TEXT, I4, TEXT);
    check_pick("||", true, UNKNOWN, UNKNOWN, FN_CONCAT_TEXT, TEXT, TEXT, TEXT);
    check_pick("||", true, CHAR, TEXT, FN_CONCAT_TEXT, TEXT, TEXT, TEXT);
    check_pick("^", true, I4, I4, FN_POWER_F8, F8, F8, F8);
    check_pick("power", false, LTYPE_NUM(3, 1), I4, FN_POWER_NUM, LTYPE_NUM(3, 1),
               LTYPE_NUM(10, 0), LTYPE_NUM(38, 16));
    check_pick("mod", false, I2, I8, FN_MOD_I8, I8, I8, I8);
    check_pick("date_trunc", false, UNKNOWN, DATE, FN_DATE_TRUNC_DATE, TEXT, DATE, TS);
    check_pick("greatest", false, I4, F8, FN_GREATEST, F8, F8, F8);
    check_pick("round", false, I4, I4, FN_ROUND_NUM_I4, LTYPE_NUM(10, 0), I4,
               LTYPE_NUM(38, 0));
}

static void check_refused(const char *name, bool is_operator, const struct ltype *args,
                          uint32_t count, kdk_status want, const char *message,
                          const char *hint)
{
    struct err err = {0};
    struct ltype cast_to[4];
    uint32_t id;
    CHECK_EQ(fn_resolve(name, is_operator, args, count, &id, cast_to, &err), want);
    CHECK_STR(err.message, message);
    CHECK_STR(err.hint, hint);
}

TEST(catalog_fn, refuses_in_postgresql_words)
{
    struct ltype int_text[] = {I4, TEXT}, unknowns[] = {UNKNOWN, UNKNOWN},
                 texts[] = {VARCHAR};
    check_refused("+", true, int_text, 2, KDK_UNDEFINED_FUNCTION,
                  "operator does not exist: integer + text",
                  "No operator matches the given name and argument types. You might need "
                  "to add explicit type casts.");
    check_refused("-", true, texts, 1, KDK_UNDEFINED_FUNCTION,
                  "operator does not exist: - character varying",
                  "No operator matches the given name and argument type. You might need to "
                  "add an explicit type cast.");
    check_refused("nope", false, int_text, 2, KDK_UNDEFINED_FUNCTION,
                  "function nope(integer, text) does not exist",
                  "No function matches the given name and argument types. You might need "
                  "to add explicit type casts.");
    check_refused("now", false, int_text, 2, KDK_UNDEFINED_FUNCTION,
                  "function now(integer, text) does not exist",
                  "No function matches the given name and argument types. You might need "
                  "to add explicit type casts.");
    check_refused("+", true, unknowns, 2, KDK_AMBIGUOUS_FUNCTION,
                  "operator is not unique: unknown + unknown",
                  "Could not choose a best candidate operator. You might need to add "
                  "explicit type casts.");
    check_refused("gcd", false, unknowns, 1, KDK_UNDEFINED_FUNCTION,
                  "function gcd(unknown) does not exist",
                  "No function matches the given name and argument types. You might need "
                  "to add explicit type casts.");
}

TEST(catalog_fn, aggregates_have_postgresql_types)
{
    static const struct {
        const char *name;
        struct ltype arg, result;
    } cases[] = {
        {"sum", {.id = LT_INTEGER}, {.id = LT_BIGINT}},
        {"sum", {.id = LT_BIGINT}, {.id = LT_NUMERIC, .precision = 38}},
        {"sum",
         {.id = LT_NUMERIC, .precision = 15, .scale = 2},
         {.id = LT_NUMERIC, .precision = 38, .scale = 2}},
        {"sum", {.id = LT_REAL}, {.id = LT_REAL}},
        {"avg", {.id = LT_SMALLINT}, {.id = LT_NUMERIC, .precision = 38, .scale = 16}},
        {"avg",
         {.id = LT_NUMERIC, .precision = 15, .scale = 2},
         {.id = LT_NUMERIC, .precision = 38, .scale = 16}},
        {"avg", {.id = LT_REAL}, {.id = LT_DOUBLE}},
        {"min", {.id = LT_TEXT, .length = 5}, {.id = LT_TEXT, .length = 5}},
        {"max", {.id = LT_DATE}, {.id = LT_DATE}},
        {"count", {.id = LT_TEXT}, {.id = LT_BIGINT}},
        {"any_value",
         {.id = LT_NUMERIC, .precision = 5, .scale = 1},
         {.id = LT_NUMERIC, .precision = 5, .scale = 1}},
        {"stddev", {.id = LT_INTEGER}, {.id = LT_NUMERIC, .precision = 38, .scale = 16}},
        {"stddev", {.id = LT_REAL}, {.id = LT_DOUBLE}},
        {"bit_or", {.id = LT_SMALLINT}, {.id = LT_SMALLINT}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ltype cast_to;
        uint32_t id;
        if (CHECK_EQ(
                fn_resolve(cases[i].name, false, &cases[i].arg, 1, &id, &cast_to, NULL),
                KDK_OK)) {
            CHECK_EQ(fn_table[id].kind, FN_AGGREGATE);
            CHECK(ltype_equal(fn_result(id, &cast_to, 1, FN_DIGITS_UNKNOWN),
                              cases[i].result));
        }
    }
}

TEST(catalog_fn, casts_by_context)
{
    CHECK(cast_allowed(I2, I8, CAST_IMPLICIT));
    CHECK(!cast_allowed(I8, I2, CAST_IMPLICIT));
    CHECK(cast_allowed(I8, I2, CAST_ASSIGNMENT));
    CHECK(cast_allowed(LTYPE(TINYINT), I2, CAST_IMPLICIT));
    CHECK(cast_allowed(LTYPE_NUM(5, 2), F8, CAST_IMPLICIT));
    CHECK(!cast_allowed(F8, LTYPE_NUM(5, 2), CAST_IMPLICIT));
    CHECK(!cast_allowed(I4, LTYPE(BOOLEAN), CAST_ASSIGNMENT));
    CHECK(cast_allowed(I4, LTYPE(BOOLEAN), CAST_EXPLICIT));
    CHECK(!cast_allowed(I8, LTYPE(BOOLEAN), CAST_EXPLICIT));
    CHECK(cast_allowed(I4, TEXT, CAST_ASSIGNMENT));
    CHECK(!cast_allowed(I4, TEXT, CAST_IMPLICIT));
    CHECK(cast_allowed(TEXT, I4, CAST_EXPLICIT));
    CHECK(!cast_allowed(TEXT, I4, CAST_ASSIGNMENT));
    CHECK(cast_allowed(UNKNOWN, DATE, CAST_IMPLICIT));
    CHECK(!cast_allowed(DATE, I4, CAST_EXPLICIT));
    CHECK(cast_allowed(TS, DATE, CAST_ASSIGNMENT));
    CHECK(!cast_allowed(I4, LTYPE(UUID), CAST_EXPLICIT));

    CHECK(!cast_can_fail(I2, I8));
    CHECK(cast_can_fail(I8, I2));
    CHECK(!cast_can_fail(I4, LTYPE_NUM(10, 0)));
    CHECK(cast_can_fail(I4, LTYPE_NUM(9, 0)));
    CHECK(!cast_can_fail(LTYPE_NUM(10, 2), LTYPE_NUM(12, 2)));
    CHECK(cast_can_fail(LTYPE_NUM(10, 2), LTYPE_NUM(9, 1)));
    CHECK(!cast_can_fail(LTYPE_NUM(10, 2), LTYPE_NUM(10, 1)));
    CHECK(cast_can_fail(TEXT, VARCHAR));
    CHECK(!cast_can_fail(VARCHAR, TEXT));

    struct str text = str_of("-0012.340e1", 11);
    CHECK(ltype_equal(cast_type(UNKNOWN, LTYPE(NUMERIC), &text), LTYPE_NUM(5, 2)));
    CHECK(ltype_equal(cast_type(I4, LTYPE(NUMERIC), NULL), LTYPE_NUM(10, 0)));
    CHECK(ltype_equal(cast_type(TEXT, LTYPE(NUMERIC), NULL), LTYPE_NUM(38, 10)));
    CHECK(ltype_equal(cast_type(F8, LTYPE_NUM(4, 1), NULL), LTYPE_NUM(4, 1)));
}

TEST(catalog_fn, common_types)
{
    struct ltype out;
    struct err err = {0};
    struct ltype numbers[] = {I4, UNKNOWN, LTYPE_NUM(5, 2)}, strings[] = {VARCHAR, VARCHAR},
                 mixed[] = {CHAR, VARCHAR, UNKNOWN}, bad[] = {I4, TEXT},
                 none[] = {UNKNOWN, UNKNOWN}, floats[] = {F8, LTYPE_NUM(5, 2)},
                 dates[] = {DATE, TS};
    CHECK_EQ(type_common(numbers, 3, "CASE", &out, &err), KDK_OK);
    CHECK(ltype_equal(out, LTYPE_NUM(12, 2)));
    CHECK_EQ(type_common(strings, 2, "CASE", &out, &err), KDK_OK);
    CHECK(ltype_equal(out, VARCHAR));
    CHECK_EQ(type_common(mixed, 3, "CASE", &out, &err), KDK_OK);
    /* The first one wins. */
    CHECK(ltype_equal(out, (struct ltype){.id = LT_TEXT, .fixed = 1}));
    CHECK_EQ(type_common(none, 2, "CASE", &out, &err), KDK_OK);
    CHECK(ltype_equal(out, TEXT));
    CHECK_EQ(type_common(floats, 2, "CASE", &out, &err), KDK_OK);
    CHECK(ltype_equal(out, F8));
    CHECK_EQ(type_common(dates, 2, "CASE", &out, &err), KDK_OK);
    CHECK(ltype_equal(out, TS));
    CHECK_EQ(type_common(bad, 2, "UNION", &out, &err), KDK_TYPE_MISMATCH);
    CHECK_STR(err.message, "UNION types integer and text cannot be matched");
}

TEST(catalog_fn, constants_sharpen_what_can_fail)
{
    struct ltype ints[] = {I4, I4}, small[] = {LTYPE_NUM(15, 2), LTYPE_NUM(15, 2)},
                 large[] = {LTYPE_NUM(38, 0), LTYPE_NUM(38, 0)}, texts[] = {TEXT, TEXT};
    struct datum seven = {.i = 7}, minus = {.i = -1}, zero = {.i = 0},
                 good = {.s = str_of("a%", 2)}, bad = {.s = str_of("a\\", 2)};
    const struct datum *by_7[] = {NULL, &seven}, *by_minus[] = {NULL, &minus},
                       *by_0[] = {NULL, &zero}, *like_good[] = {NULL, &good},
                       *like_bad[] = {NULL, &bad};
    CHECK(!fn_call_can_fail(FN_DIV_I4, ints, by_7, 2));
    CHECK(fn_call_can_fail(FN_DIV_I4, ints, by_minus, 2));
    CHECK(fn_call_can_fail(FN_DIV_I4, ints, by_0, 2));
    CHECK(fn_call_can_fail(FN_DIV_I4, ints, NULL, 2));
    CHECK(!fn_call_can_fail(FN_MOD_I4, ints, by_minus, 2));
    CHECK(!fn_call_can_fail(FN_MUL_NUM, small, NULL, 2));
    CHECK(fn_call_can_fail(FN_MUL_NUM, large, NULL, 2));
    CHECK(fn_call_can_fail(FN_ADD_I4, ints, by_7, 2));
    CHECK(!fn_call_can_fail(FN_LIKE, texts, like_good, 2));
    CHECK(fn_call_can_fail(FN_LIKE, texts, like_bad, 2));
    CHECK(!fn_call_can_fail(FN_EQ_I4, ints, NULL, 2));
}

TEST(catalog_fn, fields_of_dates)
{
    CHECK_EQ(date_field_of("Year", 4), DF_YEAR);
    CHECK_EQ(date_field_of("mons", 4), DF_MONTH);
    CHECK_EQ(date_field_of("yea", 3), DF_NONE);
    CHECK_EQ(date_field_digits(DF_SECOND), 6);
    CHECK(date_field_truncates(DF_CENTURY) && !date_field_truncates(DF_DOW));
    CHECK(date_field_is_time(DF_HOUR) && !date_field_is_time(DF_DAY));
    struct datum second = {.s = str_of("second", 6)}, year = {.s = str_of("year", 4)};
    const struct datum *by_second[] = {&second, NULL}, *by_year[] = {&year, NULL},
                       *unknown[] = {NULL, NULL};
    struct ltype args[] = {TEXT, TS};
    CHECK_EQ(
        fn_result(FN_EXTRACT_TS, args, 2, fn_result_digits(FN_EXTRACT_TS, by_second, 2))
            .scale,
        6);
    CHECK_EQ(fn_result(FN_EXTRACT_TS, args, 2, fn_result_digits(FN_EXTRACT_TS, by_year, 2))
                 .scale,
             0);
    CHECK_EQ(fn_result(FN_EXTRACT_TS, args, 2, fn_result_digits(FN_EXTRACT_TS, unknown, 2))
                 .scale,
             6);
}
