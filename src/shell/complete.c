/* complete.c - what Tab offers: SQL words, tables, columns, and dot commands' formats. */
#include "shell/shell.h"

#include <ctype.h>
#include <string.h>

static const char *const keywords[] = {
    "all",        "alter",     "analyze",    "and",         "as",      "asc",
    "begin",      "between",   "bigint",     "boolean",     "by",      "case",
    "cast",       "check",     "checkpoint", "coalesce",    "column",  "commit",
    "constraint", "copy",      "create",     "cross",       "csv",     "date",
    "default",    "delete",    "desc",       "distinct",    "double",  "drop",
    "else",       "end",       "except",     "exists",      "explain", "extract",
    "false",      "first",     "format",     "freeze",      "from",    "full",
    "group",      "having",    "header",     "in",          "index",   "inner",
    "insert",     "integer",   "intersect",  "interval",    "into",    "is",
    "join",       "key",       "last",       "left",        "like",    "limit",
    "not",        "null",      "nulls",      "numeric",     "offset",  "on",
    "or",         "order",     "outer",      "precision",   "prepare", "primary",
    "references", "returning", "right",      "rollback",    "select",  "set",
    "show",       "smallint",  "stdin",      "stdout",      "table",   "text",
    "then",       "timestamp", "to",         "transaction", "true",    "truncate",
    "union",      "unique",    "update",     "using",       "values",  "varchar",
    "view",       "when",      "where",      "with",
};

bool is_keyword(const char *word)
{
    for (size_t i = 0; i < COUNT_OF(keywords); i++)
        if (strcasecmp(keywords[i], word) == 0)
            return true;
    return false;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static void offer_names(struct shell *sh, const char *sql, const char *word, size_t bytes,
                        void (*found)(void *context, const char *word), void *context)
{
    struct grid names;
    kdk_conn *conn;
    if (kdk_connect(sh->db, &conn) != KDK_OK)
        return; /* A connection of its own: the user's may be in a failed transaction. */
    if (grid_fetch(sh, conn, sql, true, &names))
        for (size_t i = 0; i < names.rows; i++) {
            struct buf quoted = {0};
            add_name(&quoted, grid_cell(&names, i, 0));
            if (!quoted.nomem && quoted.len >= bytes &&
                strncasecmp(quoted.data, word, bytes) == 0)
                found(context, quoted.data);
            buf_deinit(&quoted);
        }
    grid_deinit(&names);
    kdk_disconnect(conn);
}

void complete(struct shell *sh, const char *text, size_t bytes, size_t *start,
              void (*found)(void *context, const char *word), void *context)
{
    size_t at = bytes;
    while (at && is_word(text[at - 1]))
        at--;
    *start = at;
    const char *word = text + at;
    size_t length = bytes - at;
    if (!length)
        return;
    offer_names(sh, "select distinct name from pg_catalog.kodiak_tables order by name",
                word, length, found, context);
    offer_names(sh,
                "select distinct name from pg_catalog.kodiak_columns where position >= 0 "
                "order by name",
                word, length, found, context);
    for (size_t i = 0; i < COUNT_OF(keywords); i++)
        if (strncasecmp(keywords[i], word, length) == 0)
            found(context, keywords[i]);
}
