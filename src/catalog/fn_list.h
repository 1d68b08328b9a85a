/* fn_list.h - every function, operator and aggregate, one line for each overload.
 *
 * X(ID, name, kind, nulls, fails, volatility, rule, result, cost, arguments)
 *
 *   kind        SCALAR or AGGREGATE
 *   nulls       strict: a NULL argument gives NULL (an aggregate: the row is skipped)
 *               without a call; null_ok: it is called
 *   fails       fails: may raise an error for some arguments; safe: never does, whatever
 *               they are (out of memory apart)
 *   rule        enum fn_result_rule without FN_RET_; `result` is the type for FIXED, and
 *               says the type id for the others
 *   cost        in units of an integer addition
 *   arguments   FAn(types), or FAVn(types) whose last type repeats; ANY matches every type
 *
 * The ids are FN_ID, in an enum that is not on disk: lines may be added and moved, except
 * where a comment says otherwise. To add one: a line here, its body in src/exec/fn_*.c (a
 * missing one does not link), its tests.
 *
 * An aggregate's and a scalar function's bodies never see an argument type other than the
 * listed one; NUMERIC arguments have their own scales.
 */
#ifndef KDK_CATALOG_FN_LIST_H
#define KDK_CATALOG_FN_LIST_H

/* clang-format off */
/* In the order of enum ltype_id: fn_comparison_of() counts on it. */
#define FN_COMPARE(X, OP, NAME) \
    X(OP##_BOOL, NAME, SCALAR, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 1, FA2(BOOLEAN, BOOLEAN)) \
    X(OP##_I1, NAME, SCALAR, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 1, FA2(TINYINT, TINYINT)) \
    X(OP##_I2, NAME, SCALAR, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 1, FA2(SMALLINT, SMALLINT)) \
    X(OP##_I4, NAME, SCALAR, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 1, FA2(INTEGER, INTEGER)) \
    X(OP##_I8, NAME, SCALAR, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 1, FA2(BIGINT, BIGINT)) \
    X(OP##_NUM, NAME, SCALAR, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 2, FA2(NUMERIC, NUMERIC)) \
    X(OP##_F4, NAME, SCALAR, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 1, FA2(REAL, REAL)) \
    X(OP##_F8, NAME, SCALAR, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 1, FA2(DOUBLE, DOUBLE)) \
    X(OP##_TEXT, NAME, SCALAR, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 6, FA2(TEXT, TEXT)) \
    X(OP##_BYTEA, NAME, SCALAR, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 6, FA2(BYTEA, BYTEA)) \
    X(OP##_DATE, NAME, SCALAR, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 1, FA2(DATE, DATE)) \
    X(OP##_TS, NAME, SCALAR, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 1, FA2(TIMESTAMP, TIMESTAMP))

#define FN_INTEGER(X, S, T) \
    X(ADD_##S, "+", SCALAR, strict, fails, IMMUTABLE, FIXED, T, 1, FA2(T, T)) \
    X(SUB_##S, "-", SCALAR, strict, fails, IMMUTABLE, FIXED, T, 1, FA2(T, T)) \
    X(MUL_##S, "*", SCALAR, strict, fails, IMMUTABLE, FIXED, T, 1, FA2(T, T)) \
    X(DIV_##S, "/", SCALAR, strict, fails, IMMUTABLE, FIXED, T, 5, FA2(T, T)) \
    X(MOD_##S, "%", SCALAR, strict, fails, IMMUTABLE, FIXED, T, 5, FA2(T, T)) \
    X(IDIV_##S, "//", SCALAR, strict, fails, IMMUTABLE, FIXED, T, 5, FA2(T, T)) \
    X(NEG_##S, "-", SCALAR, strict, fails, IMMUTABLE, FIXED, T, 1, FA1(T)) \
    X(POS_##S, "+", SCALAR, strict, safe, IMMUTABLE, FIXED, T, 1, FA1(T)) \
    X(ABS_##S, "abs", SCALAR, strict, fails, IMMUTABLE, FIXED, T, 1, FA1(T)) \
    X(BITAND_##S, "&", SCALAR, strict, safe, IMMUTABLE, FIXED, T, 1, FA2(T, T)) \
    X(BITOR_##S, "|", SCALAR, strict, safe, IMMUTABLE, FIXED, T, 1, FA2(T, T)) \
    X(BITXOR_##S, "#", SCALAR, strict, safe, IMMUTABLE, FIXED, T, 1, FA2(T, T)) \
    X(BITNOT_##S, "~", SCALAR, strict, safe, IMMUTABLE, FIXED, T, 1, FA1(T)) \
    X(SHL_##S, "<<", SCALAR, strict, safe, IMMUTABLE, FIXED, T, 1, FA2(T, INTEGER)) \
    X(SHR_##S, ">>", SCALAR, strict, safe, IMMUTABLE, FIXED, T, 1, FA2(T, INTEGER))

#define FN_FLOAT(X, S, T) \
    X(ADD_##S, "+", SCALAR, strict, fails, IMMUTABLE, FIXED, T, 1, FA2(T, T)) \
    X(SUB_##S, "-", SCALAR, strict, fails, IMMUTABLE, FIXED, T, 1, FA2(T, T)) \
    X(MUL_##S, "*", SCALAR, strict, fails, IMMUTABLE, FIXED, T, 1, FA2(T, T)) \
    X(DIV_##S, "/", SCALAR, strict, fails, IMMUTABLE, FIXED, T, 4, FA2(T, T)) \
    X(NEG_##S, "-", SCALAR, strict, safe, IMMUTABLE, FIXED, T, 1, FA1(T)) \
    X(POS_##S, "+", SCALAR, strict, safe, IMMUTABLE, FIXED, T, 1, FA1(T)) \
    X(ABS_##S, "abs", SCALAR, strict, safe, IMMUTABLE, FIXED, T, 1, FA1(T))

#define FN_NUMERIC(X) \
    X(ADD_NUM, "+", SCALAR, strict, fails, IMMUTABLE, NUM_ADD, NUMERIC, 2, FA2(NUMERIC, NUMERIC)) \
    X(SUB_NUM, "-", SCALAR, strict, fails, IMMUTABLE, NUM_ADD, NUMERIC, 2, FA2(NUMERIC, NUMERIC)) \
    X(MUL_NUM, "*", SCALAR, strict, fails, IMMUTABLE, NUM_MUL, NUMERIC, 3, FA2(NUMERIC, NUMERIC)) \
    X(DIV_NUM, "/", SCALAR, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 20, FA2(NUMERIC, NUMERIC)) \
    X(MOD_NUM, "%", SCALAR, strict, fails, IMMUTABLE, NUM_MOD, NUMERIC, 15, FA2(NUMERIC, NUMERIC)) \
    X(IDIV_NUM, "//", SCALAR, strict, fails, IMMUTABLE, NUM_ROUND, NUMERIC, 15, FA2(NUMERIC, NUMERIC)) \
    X(DIV_WHOLE_NUM, "div", SCALAR, strict, fails, IMMUTABLE, NUM_ROUND, NUMERIC, 15, FA2(NUMERIC, NUMERIC)) \
    X(NEG_NUM, "-", SCALAR, strict, safe, IMMUTABLE, ARG0, NUMERIC, 1, FA1(NUMERIC)) \
    X(POS_NUM, "+", SCALAR, strict, safe, IMMUTABLE, ARG0, NUMERIC, 1, FA1(NUMERIC)) \
    X(ABS_NUM, "abs", SCALAR, strict, safe, IMMUTABLE, ARG0, NUMERIC, 1, FA1(NUMERIC)) \
    X(CEIL_NUM, "ceil", SCALAR, strict, safe, IMMUTABLE, NUM_ROUND, NUMERIC, 5, FA1(NUMERIC)) \
    X(FLOOR_NUM, "floor", SCALAR, strict, safe, IMMUTABLE, NUM_ROUND, NUMERIC, 5, FA1(NUMERIC)) \
    X(SIGN_NUM, "sign", SCALAR, strict, safe, IMMUTABLE, NUM_ROUND, NUMERIC, 5, FA1(NUMERIC)) \
    X(ROUND_NUM, "round", SCALAR, strict, safe, IMMUTABLE, NUM_ROUND, NUMERIC, 5, FA1(NUMERIC)) \
    X(ROUND_NUM_I4, "round", SCALAR, strict, fails, IMMUTABLE, NUM_ROUND, NUMERIC, 5, FA2(NUMERIC, INTEGER)) \
    X(TRUNC_NUM, "trunc", SCALAR, strict, safe, IMMUTABLE, NUM_ROUND, NUMERIC, 5, FA1(NUMERIC)) \
    X(TRUNC_NUM_I4, "trunc", SCALAR, strict, fails, IMMUTABLE, NUM_ROUND, NUMERIC, 5, FA2(NUMERIC, INTEGER)) \
    X(POWER_NUM, "^", SCALAR, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 300, FA2(NUMERIC, NUMERIC)) \
    X(SQRT_NUM, "sqrt", SCALAR, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 300, FA1(NUMERIC)) \
    X(EXP_NUM, "exp", SCALAR, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 300, FA1(NUMERIC)) \
    X(LN_NUM, "ln", SCALAR, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 300, FA1(NUMERIC)) \
    X(LOG_NUM, "log", SCALAR, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 300, FA1(NUMERIC)) \
    X(LOG10_NUM, "log10", SCALAR, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 300, FA1(NUMERIC)) \
    X(LOG_NUM_NUM, "log", SCALAR, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 300, FA2(NUMERIC, NUMERIC))

#define FN_MATH(X) \
    X(CEIL_F8, "ceil", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 2, FA1(DOUBLE)) \
    X(FLOOR_F8, "floor", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 2, FA1(DOUBLE)) \
    X(ROUND_F8, "round", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 2, FA1(DOUBLE)) \
    X(TRUNC_F8, "trunc", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 2, FA1(DOUBLE)) \
    X(SIGN_F8, "sign", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 2, FA1(DOUBLE)) \
    X(POWER_F8, "^", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 40, FA2(DOUBLE, DOUBLE)) \
    X(SQRT_F8, "sqrt", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 4, FA1(DOUBLE)) \
    X(CBRT_F8, "cbrt", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(EXP_F8, "exp", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(LN_F8, "ln", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(LOG_F8, "log", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(LOG10_F8, "log10", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(SIN_F8, "sin", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(COS_F8, "cos", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(TAN_F8, "tan", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(COT_F8, "cot", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(ASIN_F8, "asin", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(ACOS_F8, "acos", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(ATAN_F8, "atan", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(SINH_F8, "sinh", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(COSH_F8, "cosh", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(TANH_F8, "tanh", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(ASINH_F8, "asinh", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(ACOSH_F8, "acosh", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(ATANH_F8, "atanh", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(SIND_F8, "sind", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(COSD_F8, "cosd", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(TAND_F8, "tand", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(COTD_F8, "cotd", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(ASIND_F8, "asind", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(ACOSD_F8, "acosd", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(ATAND_F8, "atand", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(ATAN2D_F8, "atan2d", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 30, FA2(DOUBLE, DOUBLE)) \
    X(ROOT_OP, "|/", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(CUBE_ROOT_OP, "||/", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 30, FA1(DOUBLE)) \
    X(WIDTH_BUCKET_F8, "width_bucket", SCALAR, strict, fails, IMMUTABLE, FIXED, INTEGER, 20, FA4(DOUBLE, DOUBLE, DOUBLE, INTEGER)) \
    X(WIDTH_BUCKET_NUM, "width_bucket", SCALAR, strict, fails, IMMUTABLE, FIXED, INTEGER, 30, FA4(NUMERIC, NUMERIC, NUMERIC, INTEGER)) \
    X(FACTORIAL, "factorial", SCALAR, strict, fails, IMMUTABLE, NUM_SUM, NUMERIC, 30, FA1(BIGINT)) \
    X(SCALE_NUM, "scale", SCALAR, strict, safe, IMMUTABLE, FIXED, INTEGER, 2, FA1(NUMERIC)) \
    X(MIN_SCALE_NUM, "min_scale", SCALAR, strict, safe, IMMUTABLE, FIXED, INTEGER, 10, FA1(NUMERIC)) \
    X(BIT_COUNT, "bit_count", SCALAR, strict, safe, IMMUTABLE, FIXED, BIGINT, 10, FA1(BYTEA)) \
    X(DEGREES_F8, "degrees", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 4, FA1(DOUBLE)) \
    X(RADIANS_F8, "radians", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 4, FA1(DOUBLE)) \
    X(ATAN2_F8, "atan2", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 40, FA2(DOUBLE, DOUBLE)) \
    X(PI, "pi", SCALAR, strict, safe, IMMUTABLE, FIXED, DOUBLE, 1, FA0) \
    X(RANDOM, "random", SCALAR, strict, safe, VOLATILE, FIXED, DOUBLE, 5, FA0) \
    X(GCD_I4, "gcd", SCALAR, strict, fails, IMMUTABLE, FIXED, INTEGER, 20, FA2(INTEGER, INTEGER)) \
    X(LCM_I4, "lcm", SCALAR, strict, fails, IMMUTABLE, FIXED, INTEGER, 20, FA2(INTEGER, INTEGER)) \
    X(GCD_I8, "gcd", SCALAR, strict, fails, IMMUTABLE, FIXED, BIGINT, 20, FA2(BIGINT, BIGINT)) \
    X(LCM_I8, "lcm", SCALAR, strict, fails, IMMUTABLE, FIXED, BIGINT, 20, FA2(BIGINT, BIGINT)) \
    X(GREATEST, "greatest", SCALAR, null_ok, safe, IMMUTABLE, COMMON, ANY, 3, FAV1(ANY)) \
    X(LEAST, "least", SCALAR, null_ok, safe, IMMUTABLE, COMMON, ANY, 3, FAV1(ANY))

#define FN_STRINGS(X) \
    X(CONCAT_TEXT, "||", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 20, FA2(TEXT, TEXT)) \
    X(CONCAT_TEXT_ANY, "||", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 40, FA2(TEXT, ANY)) \
    X(CONCAT_ANY_TEXT, "||", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 40, FA2(ANY, TEXT)) \
    X(CONCAT_BYTEA, "||", SCALAR, strict, fails, IMMUTABLE, FIXED, BYTEA, 20, FA2(BYTEA, BYTEA)) \
    X(LIKE, "~~", SCALAR, strict, fails, IMMUTABLE, FIXED, BOOLEAN, 30, FA2(TEXT, TEXT)) \
    X(LIKE_ESCAPE, "~~", SCALAR, strict, fails, IMMUTABLE, FIXED, BOOLEAN, 30, FA3(TEXT, TEXT, TEXT)) \
    X(ILIKE, "~~*", SCALAR, strict, fails, IMMUTABLE, FIXED, BOOLEAN, 30, FA2(TEXT, TEXT)) \
    X(ILIKE_ESCAPE, "~~*", SCALAR, strict, fails, IMMUTABLE, FIXED, BOOLEAN, 30, FA3(TEXT, TEXT, TEXT)) \
    X(NOT_LIKE, "!~~", SCALAR, strict, fails, IMMUTABLE, FIXED, BOOLEAN, 30, FA2(TEXT, TEXT)) \
    X(NOT_ILIKE, "!~~*", SCALAR, strict, fails, IMMUTABLE, FIXED, BOOLEAN, 30, FA2(TEXT, TEXT)) \
    X(LENGTH, "length", SCALAR, strict, safe, IMMUTABLE, FIXED, INTEGER, 5, FA1(TEXT)) \
    X(LENGTH_BYTEA, "length", SCALAR, strict, safe, IMMUTABLE, FIXED, INTEGER, 1, FA1(BYTEA)) \
    X(OCTET_LENGTH, "octet_length", SCALAR, strict, safe, IMMUTABLE, FIXED, INTEGER, 1, FA1(TEXT)) \
    X(OCTET_LENGTH_BYTEA, "octet_length", SCALAR, strict, safe, IMMUTABLE, FIXED, INTEGER, 1, FA1(BYTEA)) \
    X(BIT_LENGTH, "bit_length", SCALAR, strict, safe, IMMUTABLE, FIXED, INTEGER, 1, FA1(TEXT)) \
    X(BIT_LENGTH_BYTEA, "bit_length", SCALAR, strict, safe, IMMUTABLE, FIXED, INTEGER, 1, FA1(BYTEA)) \
    X(LOWER, "lower", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 20, FA1(TEXT)) \
    X(UPPER, "upper", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 20, FA1(TEXT)) \
    X(INITCAP, "initcap", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 20, FA1(TEXT)) \
    X(REVERSE, "reverse", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 20, FA1(TEXT)) \
    X(MD5, "md5", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 200, FA1(TEXT)) \
    X(MD5_BYTEA, "md5", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 200, FA1(BYTEA)) \
    X(SUBSTR_2, "substr", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 8, FA2(TEXT, INTEGER)) \
    X(SUBSTR_3, "substr", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 8, FA3(TEXT, INTEGER, INTEGER)) \
    X(SUBSTR_BYTEA_2, "substr", SCALAR, strict, safe, IMMUTABLE, FIXED, BYTEA, 8, FA2(BYTEA, INTEGER)) \
    X(SUBSTR_BYTEA_3, "substr", SCALAR, strict, fails, IMMUTABLE, FIXED, BYTEA, 8, FA3(BYTEA, INTEGER, INTEGER)) \
    X(STRPOS, "strpos", SCALAR, strict, safe, IMMUTABLE, FIXED, INTEGER, 20, FA2(TEXT, TEXT)) \
    X(STRPOS_BYTEA, "strpos", SCALAR, strict, safe, IMMUTABLE, FIXED, INTEGER, 20, FA2(BYTEA, BYTEA)) \
    X(REPLACE, "replace", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 40, FA3(TEXT, TEXT, TEXT)) \
    X(TRANSLATE, "translate", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 40, FA3(TEXT, TEXT, TEXT)) \
    X(BTRIM_1, "btrim", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 8, FA1(TEXT)) \
    X(BTRIM_2, "btrim", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 15, FA2(TEXT, TEXT)) \
    X(LTRIM_1, "ltrim", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 8, FA1(TEXT)) \
    X(LTRIM_2, "ltrim", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 15, FA2(TEXT, TEXT)) \
    X(RTRIM_1, "rtrim", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 8, FA1(TEXT)) \
    X(RTRIM_2, "rtrim", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 15, FA2(TEXT, TEXT)) \
    X(BTRIM_BYTEA, "btrim", SCALAR, strict, safe, IMMUTABLE, FIXED, BYTEA, 20, FA2(BYTEA, BYTEA)) \
    X(LTRIM_BYTEA, "ltrim", SCALAR, strict, safe, IMMUTABLE, FIXED, BYTEA, 20, FA2(BYTEA, BYTEA)) \
    X(RTRIM_BYTEA, "rtrim", SCALAR, strict, safe, IMMUTABLE, FIXED, BYTEA, 20, FA2(BYTEA, BYTEA)) \
    X(GET_BYTE, "get_byte", SCALAR, strict, fails, IMMUTABLE, FIXED, INTEGER, 10, FA2(BYTEA, INTEGER)) \
    X(GET_BIT, "get_bit", SCALAR, strict, fails, IMMUTABLE, FIXED, INTEGER, 10, FA2(BYTEA, BIGINT)) \
    X(SET_BYTE, "set_byte", SCALAR, strict, fails, IMMUTABLE, FIXED, BYTEA, 20, FA3(BYTEA, INTEGER, INTEGER)) \
    X(SET_BIT, "set_bit", SCALAR, strict, fails, IMMUTABLE, FIXED, BYTEA, 20, FA3(BYTEA, BIGINT, INTEGER)) \
    X(ENCODE, "encode", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 30, FA2(BYTEA, TEXT)) \
    X(DECODE, "decode", SCALAR, strict, fails, IMMUTABLE, FIXED, BYTEA, 20, FA2(TEXT, TEXT)) \
    X(QUOTE_LITERAL, "quote_literal", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 30, FA1(TEXT)) \
    X(QUOTE_LITERAL_ANY, "quote_literal", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 30, FA1(ANY)) \
    X(QUOTE_NULLABLE, "quote_nullable", SCALAR, null_ok, fails, IMMUTABLE, TEXT, TEXT, 30, FA1(TEXT)) \
    X(QUOTE_NULLABLE_ANY, "quote_nullable", SCALAR, null_ok, fails, IMMUTABLE, TEXT, TEXT, 30, FA1(ANY)) \
    X(QUOTE_IDENT, "quote_ident", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 30, FA1(TEXT)) \
    X(FORMAT_1, "format", SCALAR, null_ok, fails, IMMUTABLE, TEXT, TEXT, 60, FA1(TEXT)) \
    X(FORMAT, "format", SCALAR, null_ok, fails, IMMUTABLE, TEXT, TEXT, 60, FAV2(TEXT, ANY)) \
    X(NUM_NULLS, "num_nulls", SCALAR, null_ok, safe, IMMUTABLE, FIXED, INTEGER, 3, FAV1(ANY)) \
    X(NUM_NONNULLS, "num_nonnulls", SCALAR, null_ok, safe, IMMUTABLE, FIXED, INTEGER, 3, FAV1(ANY)) \
    X(TO_CHAR_I4, "to_char", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 80, FA2(INTEGER, TEXT)) \
    X(TO_CHAR_I8, "to_char", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 80, FA2(BIGINT, TEXT)) \
    X(TO_CHAR_NUM, "to_char", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 80, FA2(NUMERIC, TEXT)) \
    X(TO_CHAR_F4, "to_char", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 80, FA2(REAL, TEXT)) \
    X(TO_CHAR_F8, "to_char", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 80, FA2(DOUBLE, TEXT)) \
    X(TO_CHAR_DATE, "to_char", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 80, FA2(DATE, TEXT)) \
    X(TO_CHAR_TS, "to_char", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 80, FA2(TIMESTAMP, TEXT)) \
    X(LPAD_2, "lpad", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 20, FA2(TEXT, INTEGER)) \
    X(LPAD_3, "lpad", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 20, FA3(TEXT, INTEGER, TEXT)) \
    X(RPAD_2, "rpad", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 20, FA2(TEXT, INTEGER)) \
    X(RPAD_3, "rpad", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 20, FA3(TEXT, INTEGER, TEXT)) \
    X(LEFT, "left", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 8, FA2(TEXT, INTEGER)) \
    X(RIGHT, "right", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 8, FA2(TEXT, INTEGER)) \
    X(REPEAT, "repeat", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 30, FA2(TEXT, INTEGER)) \
    X(CONCAT, "concat", SCALAR, null_ok, fails, IMMUTABLE, TEXT, TEXT, 40, FAV1(ANY)) \
    X(CONCAT_WS, "concat_ws", SCALAR, null_ok, fails, IMMUTABLE, TEXT, TEXT, 40, FAV2(TEXT, ANY)) \
    X(ASCII, "ascii", SCALAR, strict, safe, IMMUTABLE, FIXED, INTEGER, 2, FA1(TEXT)) \
    X(CHR, "chr", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 3, FA1(INTEGER)) \
    X(SPLIT_PART, "split_part", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 30, FA3(TEXT, TEXT, INTEGER)) \
    X(STARTS_WITH, "starts_with", SCALAR, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 5, FA2(TEXT, TEXT)) \
    X(TO_HEX_I4, "to_hex", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 15, FA1(INTEGER)) \
    X(TO_HEX_I8, "to_hex", SCALAR, strict, safe, IMMUTABLE, TEXT, TEXT, 15, FA1(BIGINT)) \
    X(OVERLAY_3, "overlay", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 30, FA3(TEXT, TEXT, INTEGER)) \
    X(OVERLAY_4, "overlay", SCALAR, strict, fails, IMMUTABLE, TEXT, TEXT, 30, FA4(TEXT, TEXT, INTEGER, INTEGER)) \
    X(OVERLAY_BYTEA_3, "overlay", SCALAR, strict, fails, IMMUTABLE, FIXED, BYTEA, 30, FA3(BYTEA, BYTEA, INTEGER)) \
    X(OVERLAY_BYTEA_4, "overlay", SCALAR, strict, fails, IMMUTABLE, FIXED, BYTEA, 30, FA4(BYTEA, BYTEA, INTEGER, INTEGER))

#define FN_DATES(X) \
    X(ADD_DATE_I4, "+", SCALAR, strict, fails, IMMUTABLE, FIXED, DATE, 1, FA2(DATE, INTEGER)) \
    X(ADD_I4_DATE, "+", SCALAR, strict, fails, IMMUTABLE, FIXED, DATE, 1, FA2(INTEGER, DATE)) \
    X(SUB_DATE_I4, "-", SCALAR, strict, fails, IMMUTABLE, FIXED, DATE, 1, FA2(DATE, INTEGER)) \
    X(SUB_DATE, "-", SCALAR, strict, fails, IMMUTABLE, FIXED, INTEGER, 1, FA2(DATE, DATE)) \
    X(EXTRACT_DATE, "extract", SCALAR, strict, fails, IMMUTABLE, EXTRACT, NUMERIC, 15, FA2(TEXT, DATE)) \
    X(DATE_PART_DATE, "date_part", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 15, FA2(TEXT, DATE)) \
    X(EXTRACT_TS, "extract", SCALAR, strict, fails, IMMUTABLE, EXTRACT, NUMERIC, 15, FA2(TEXT, TIMESTAMP)) \
    X(DATE_PART_TS, "date_part", SCALAR, strict, fails, IMMUTABLE, FIXED, DOUBLE, 15, FA2(TEXT, TIMESTAMP)) \
    X(DATE_TRUNC_DATE, "date_trunc", SCALAR, strict, fails, IMMUTABLE, FIXED, TIMESTAMP, 15, FA2(TEXT, DATE)) \
    X(DATE_TRUNC_TS, "date_trunc", SCALAR, strict, fails, IMMUTABLE, FIXED, TIMESTAMP, 15, FA2(TEXT, TIMESTAMP)) \
    X(MAKE_DATE, "make_date", SCALAR, strict, fails, IMMUTABLE, FIXED, DATE, 10, FA3(INTEGER, INTEGER, INTEGER)) \
    X(MAKE_TIMESTAMP, "make_timestamp", SCALAR, strict, fails, IMMUTABLE, FIXED, TIMESTAMP, 15, FA6(INTEGER, INTEGER, INTEGER, INTEGER, INTEGER, DOUBLE))\
    X(ISFINITE_DATE, "isfinite", SCALAR, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 1, FA1(DATE)) \
    X(ISFINITE_TS, "isfinite", SCALAR, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 1, FA1(TIMESTAMP)) \
    X(NOW, "now", SCALAR, strict, safe, STABLE, FIXED, TIMESTAMP, 1, FA0) \
    X(CURRENT_DATE, "current_date", SCALAR, strict, safe, STABLE, FIXED, DATE, 1, FA0)

#define FN_SYSTEM(X) \
    X(VERSION, "version", SCALAR, strict, safe, STABLE, TEXT, TEXT, 1, FA0) \
    X(CURRENT_SCHEMA, "current_schema", SCALAR, strict, safe, STABLE, TEXT, TEXT, 1, FA0) \
    X(CURRENT_DATABASE, "current_database", SCALAR, strict, safe, STABLE, TEXT, TEXT, 1, FA0) \
    X(CURRENT_USER, "current_user", SCALAR, strict, safe, STABLE, TEXT, TEXT, 1, FA0) \
    X(TYPEOF, "typeof", SCALAR, null_ok, safe, IMMUTABLE, TEXT, TEXT, 1, FA1(ANY))

#define FN_AGGREGATES(X) \
    X(COUNT_STAR, "count", AGGREGATE, null_ok, safe, IMMUTABLE, FIXED, BIGINT, 1, FA0) \
    X(COUNT, "count", AGGREGATE, strict, safe, IMMUTABLE, FIXED, BIGINT, 1, FA1(ANY)) \
    X(SUM_I1, "sum", AGGREGATE, strict, fails, IMMUTABLE, FIXED, BIGINT, 1, FA1(TINYINT)) \
    X(SUM_I2, "sum", AGGREGATE, strict, fails, IMMUTABLE, FIXED, BIGINT, 1, FA1(SMALLINT)) \
    X(SUM_I4, "sum", AGGREGATE, strict, fails, IMMUTABLE, FIXED, BIGINT, 1, FA1(INTEGER)) \
    X(SUM_I8, "sum", AGGREGATE, strict, fails, IMMUTABLE, NUM_SUM, NUMERIC, 1, FA1(BIGINT)) \
    X(SUM_NUM, "sum", AGGREGATE, strict, fails, IMMUTABLE, NUM_SUM, NUMERIC, 2, FA1(NUMERIC)) \
    X(SUM_F4, "sum", AGGREGATE, strict, fails, IMMUTABLE, FIXED, REAL, 1, FA1(REAL)) \
    X(SUM_F8, "sum", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 1, FA1(DOUBLE)) \
    X(AVG_I1, "avg", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 2, FA1(TINYINT)) \
    X(AVG_I2, "avg", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 2, FA1(SMALLINT)) \
    X(AVG_I4, "avg", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 2, FA1(INTEGER)) \
    X(AVG_I8, "avg", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 2, FA1(BIGINT)) \
    X(AVG_NUM, "avg", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 2, FA1(NUMERIC)) \
    X(AVG_F4, "avg", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 2, FA1(REAL)) \
    X(AVG_F8, "avg", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 2, FA1(DOUBLE)) \
    X(MIN_I1, "min", AGGREGATE, strict, safe, IMMUTABLE, FIXED, TINYINT, 1, FA1(TINYINT)) \
    X(MIN_I2, "min", AGGREGATE, strict, safe, IMMUTABLE, FIXED, SMALLINT, 1, FA1(SMALLINT)) \
    X(MIN_I4, "min", AGGREGATE, strict, safe, IMMUTABLE, FIXED, INTEGER, 1, FA1(INTEGER)) \
    X(MIN_I8, "min", AGGREGATE, strict, safe, IMMUTABLE, FIXED, BIGINT, 1, FA1(BIGINT)) \
    X(MIN_NUM, "min", AGGREGATE, strict, safe, IMMUTABLE, ARG0, NUMERIC, 1, FA1(NUMERIC)) \
    X(MIN_F4, "min", AGGREGATE, strict, safe, IMMUTABLE, FIXED, REAL, 1, FA1(REAL)) \
    X(MIN_F8, "min", AGGREGATE, strict, safe, IMMUTABLE, FIXED, DOUBLE, 1, FA1(DOUBLE)) \
    X(MIN_TEXT, "min", AGGREGATE, strict, safe, IMMUTABLE, ARG0, TEXT, 6, FA1(TEXT)) \
    X(MIN_BYTEA, "min", AGGREGATE, strict, safe, IMMUTABLE, FIXED, BYTEA, 6, FA1(BYTEA)) \
    X(MIN_DATE, "min", AGGREGATE, strict, safe, IMMUTABLE, FIXED, DATE, 1, FA1(DATE)) \
    X(MIN_TS, "min", AGGREGATE, strict, safe, IMMUTABLE, FIXED, TIMESTAMP, 1, FA1(TIMESTAMP)) \
    X(MAX_I1, "max", AGGREGATE, strict, safe, IMMUTABLE, FIXED, TINYINT, 1, FA1(TINYINT)) \
    X(MAX_I2, "max", AGGREGATE, strict, safe, IMMUTABLE, FIXED, SMALLINT, 1, FA1(SMALLINT)) \
    X(MAX_I4, "max", AGGREGATE, strict, safe, IMMUTABLE, FIXED, INTEGER, 1, FA1(INTEGER)) \
    X(MAX_I8, "max", AGGREGATE, strict, safe, IMMUTABLE, FIXED, BIGINT, 1, FA1(BIGINT)) \
    X(MAX_NUM, "max", AGGREGATE, strict, safe, IMMUTABLE, ARG0, NUMERIC, 1, FA1(NUMERIC)) \
    X(MAX_F4, "max", AGGREGATE, strict, safe, IMMUTABLE, FIXED, REAL, 1, FA1(REAL)) \
    X(MAX_F8, "max", AGGREGATE, strict, safe, IMMUTABLE, FIXED, DOUBLE, 1, FA1(DOUBLE)) \
    X(MAX_TEXT, "max", AGGREGATE, strict, safe, IMMUTABLE, ARG0, TEXT, 6, FA1(TEXT)) \
    X(MAX_BYTEA, "max", AGGREGATE, strict, safe, IMMUTABLE, FIXED, BYTEA, 6, FA1(BYTEA)) \
    X(MAX_DATE, "max", AGGREGATE, strict, safe, IMMUTABLE, FIXED, DATE, 1, FA1(DATE)) \
    X(MAX_TS, "max", AGGREGATE, strict, safe, IMMUTABLE, FIXED, TIMESTAMP, 1, FA1(TIMESTAMP)) \
    X(BOOL_AND, "bool_and", AGGREGATE, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 1, FA1(BOOLEAN)) \
    X(BOOL_OR, "bool_or", AGGREGATE, strict, safe, IMMUTABLE, FIXED, BOOLEAN, 1, FA1(BOOLEAN)) \
    X(STRING_AGG, "string_agg", AGGREGATE, null_ok, fails, IMMUTABLE, TEXT, TEXT, 30, FA2(TEXT, TEXT)) \
    X(ANY_VALUE, "any_value", AGGREGATE, strict, safe, IMMUTABLE, ARG0, ANY, 1, FA1(ANY)) \
    X(STDDEV_SAMP_F8, "stddev_samp", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 6, FA1(DOUBLE)) \
    X(STDDEV_POP_F8, "stddev_pop", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 6, FA1(DOUBLE)) \
    X(VAR_SAMP_F8, "var_samp", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 6, FA1(DOUBLE)) \
    X(VAR_POP_F8, "var_pop", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 6, FA1(DOUBLE)) \
    X(BIT_AND_I1, "bit_and", AGGREGATE, strict, safe, IMMUTABLE, FIXED, TINYINT, 1, FA1(TINYINT)) \
    X(BIT_OR_I1, "bit_or", AGGREGATE, strict, safe, IMMUTABLE, FIXED, TINYINT, 1, FA1(TINYINT)) \
    X(BIT_XOR_I1, "bit_xor", AGGREGATE, strict, safe, IMMUTABLE, FIXED, TINYINT, 1, FA1(TINYINT)) \
    X(BIT_AND_I2, "bit_and", AGGREGATE, strict, safe, IMMUTABLE, FIXED, SMALLINT, 1, FA1(SMALLINT)) \
    X(BIT_OR_I2, "bit_or", AGGREGATE, strict, safe, IMMUTABLE, FIXED, SMALLINT, 1, FA1(SMALLINT)) \
    X(BIT_XOR_I2, "bit_xor", AGGREGATE, strict, safe, IMMUTABLE, FIXED, SMALLINT, 1, FA1(SMALLINT)) \
    X(BIT_AND_I4, "bit_and", AGGREGATE, strict, safe, IMMUTABLE, FIXED, INTEGER, 1, FA1(INTEGER)) \
    X(BIT_OR_I4, "bit_or", AGGREGATE, strict, safe, IMMUTABLE, FIXED, INTEGER, 1, FA1(INTEGER)) \
    X(BIT_XOR_I4, "bit_xor", AGGREGATE, strict, safe, IMMUTABLE, FIXED, INTEGER, 1, FA1(INTEGER)) \
    X(BIT_AND_I8, "bit_and", AGGREGATE, strict, safe, IMMUTABLE, FIXED, BIGINT, 1, FA1(BIGINT)) \
    X(BIT_OR_I8, "bit_or", AGGREGATE, strict, safe, IMMUTABLE, FIXED, BIGINT, 1, FA1(BIGINT)) \
    X(BIT_XOR_I8, "bit_xor", AGGREGATE, strict, safe, IMMUTABLE, FIXED, BIGINT, 1, FA1(BIGINT)) \
    X(STDDEV_SAMP_I1, "stddev_samp", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(TINYINT)) \
    X(STDDEV_POP_I1, "stddev_pop", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(TINYINT)) \
    X(VAR_SAMP_I1, "var_samp", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(TINYINT)) \
    X(VAR_POP_I1, "var_pop", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(TINYINT)) \
    X(STDDEV_SAMP_I2, "stddev_samp", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(SMALLINT)) \
    X(STDDEV_POP_I2, "stddev_pop", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(SMALLINT)) \
    X(VAR_SAMP_I2, "var_samp", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(SMALLINT)) \
    X(VAR_POP_I2, "var_pop", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(SMALLINT)) \
    X(STDDEV_SAMP_I4, "stddev_samp", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(INTEGER)) \
    X(STDDEV_POP_I4, "stddev_pop", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(INTEGER)) \
    X(VAR_SAMP_I4, "var_samp", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(INTEGER)) \
    X(VAR_POP_I4, "var_pop", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(INTEGER)) \
    X(STDDEV_SAMP_I8, "stddev_samp", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(BIGINT)) \
    X(STDDEV_POP_I8, "stddev_pop", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(BIGINT)) \
    X(VAR_SAMP_I8, "var_samp", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(BIGINT)) \
    X(VAR_POP_I8, "var_pop", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(BIGINT)) \
    X(STDDEV_SAMP_NUM, "stddev_samp", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(NUMERIC)) \
    X(STDDEV_POP_NUM, "stddev_pop", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(NUMERIC)) \
    X(VAR_SAMP_NUM, "var_samp", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(NUMERIC)) \
    X(VAR_POP_NUM, "var_pop", AGGREGATE, strict, fails, IMMUTABLE, NUM_DIV, NUMERIC, 10, FA1(NUMERIC)) \
    X(CORR, "corr", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 10, FA2(DOUBLE, DOUBLE)) \
    X(COVAR_POP, "covar_pop", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 10, FA2(DOUBLE, DOUBLE)) \
    X(COVAR_SAMP, "covar_samp", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 10, FA2(DOUBLE, DOUBLE)) \
    X(REGR_AVGX, "regr_avgx", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 10, FA2(DOUBLE, DOUBLE)) \
    X(REGR_AVGY, "regr_avgy", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 10, FA2(DOUBLE, DOUBLE)) \
    X(REGR_INTERCEPT, "regr_intercept", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 10, FA2(DOUBLE, DOUBLE)) \
    X(REGR_R2, "regr_r2", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 10, FA2(DOUBLE, DOUBLE)) \
    X(REGR_SLOPE, "regr_slope", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 10, FA2(DOUBLE, DOUBLE)) \
    X(REGR_SXX, "regr_sxx", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 10, FA2(DOUBLE, DOUBLE)) \
    X(REGR_SXY, "regr_sxy", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 10, FA2(DOUBLE, DOUBLE)) \
    X(REGR_SYY, "regr_syy", AGGREGATE, strict, fails, IMMUTABLE, FIXED, DOUBLE, 10, FA2(DOUBLE, DOUBLE)) \
    X(REGR_COUNT, "regr_count", AGGREGATE, strict, safe, IMMUTABLE, FIXED, BIGINT, 2, FA2(DOUBLE, DOUBLE))

/* X(alias, name): one function under two names. `position(substring IN string)` is
 * position(string, substring), as in PostgreSQL. */
#define FN_ALIASES(X) \
    X("mod", "%") \
    X("@", "abs") \
    X("ceiling", "ceil") \
    X("**", "^") \
    X("power", "^") \
    X("pow", "^") \
    X("char_length", "length") \
    X("character_length", "length") \
    X("substring", "substr") \
    X("position", "strpos") \
    X("trim", "btrim") \
    X("current_timestamp", "now") \
    X("^@", "starts_with") \
    X("localtimestamp", "now") \
    X("transaction_timestamp", "now") \
    X("pg_typeof", "typeof") \
    X("every", "bool_and") \
    X("stddev", "stddev_samp") \
    X("variance", "var_samp") \
    X("!=", "<>") \
    X("user", "current_user") \
    X("session_user", "current_user") \
    X("current_catalog", "current_database")

/* clang-format on */
#define FN_LIST(X)                                                                         \
    FN_COMPARE(X, EQ, "=")                                                                 \
    FN_COMPARE(X, NE, "<>")                                                                \
    FN_COMPARE(X, LT, "<")                                                                 \
    FN_COMPARE(X, LE, "<=")                                                                \
    FN_COMPARE(X, GT, ">")                                                                 \
    FN_COMPARE(X, GE, ">=")                                                                \
    FN_INTEGER(X, I1, TINYINT)                                                             \
    FN_INTEGER(X, I2, SMALLINT)                                                            \
    FN_INTEGER(X, I4, INTEGER)                                                             \
    FN_INTEGER(X, I8, BIGINT)                                                              \
    FN_FLOAT(X, F4, REAL)                                                                  \
    FN_FLOAT(X, F8, DOUBLE)                                                                \
    FN_NUMERIC(X)                                                                          \
    FN_MATH(X)                                                                             \
    FN_STRINGS(X)                                                                          \
    FN_DATES(X)                                                                            \
    FN_SYSTEM(X)                                                                           \
    FN_AGGREGATES(X)

enum fn_id {
#define FN_ENUM(ID, ...) FN_##ID,
    FN_LIST(FN_ENUM)
#undef FN_ENUM
        FN_ID_COUNT
};

#endif
