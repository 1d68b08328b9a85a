/* parse_fuzz.c - any bytes as SQL text. What parses is printed, and the text must parse to
 * the same tree: its plain text and its text with all parentheses are the same again.
 * Splitting must agree that the text ends. */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "sql/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stop(const char *what, const char *text)
{
    fprintf(stderr, "%s: %s\n", what, text ? text : "");
    abort();
}

static void print(const struct ast_stmt *stmt, enum ast_print how, struct buf *out)
{
    struct err err = {0};

    if (ast_print_stmt(stmt, how, out, &err) != KDK_OK)
        stop("cannot print", err.message);
}

static void round_trip(const struct ast_stmt *stmt)
{
    struct arena arena = {0};
    struct buf plain = {0}, parens = {0}, plain_again = {0}, parens_again = {0};
    struct ast_list again = {0};
    struct err err = {0};

    print(stmt, AST_PRINT_PLAIN, &plain);
    print(stmt, AST_PRINT_PARENS, &parens);
    kdk_status status = sql_parse(plain.data, plain.len, &arena, &again, &err);
    /* Parentheses that the printer adds count as levels, so a tree near the limit may pass
     * it. */
    if (status != KDK_OK && status != KDK_TOO_COMPLEX)
        stop(err.message, plain.data);
    if (status == KDK_OK) {
        if (again.count != 1)
            stop("not one statement", plain.data);
        print(again.items[0], AST_PRINT_PLAIN, &plain_again);
        print(again.items[0], AST_PRINT_PARENS, &parens_again);
        if (strcmp(plain.data, plain_again.data) != 0)
            stop(plain.data, plain_again.data);
        if (strcmp(parens.data, parens_again.data) != 0)
            stop(parens.data, parens_again.data);
    }
    buf_deinit(&plain);
    buf_deinit(&parens);
    buf_deinit(&plain_again);
    buf_deinit(&parens_again);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct arena arena = {0};
    struct ast_list list = {0};
    struct err err = {0};
    struct sql_extent extent;
    size_t from = 0;

    if (sql_parse(text, size, &arena, &list, &err) == KDK_OK)
        for (uint32_t i = 0; i < list.count; i++)
            round_trip(list.items[i]);
    else if (err.position < 0 || (size_t)err.position > size + 1)
        stop("position outside the text", err.message);
    while (sql_split(text, size, from, &extent) == SQL_SPLIT_STATEMENT) {
        if (extent.start < from || extent.end <= extent.start || extent.end > size)
            stop("extent outside the text", NULL);
        from = extent.end;
    }
    arena_deinit(&arena);
    return 0;
}
