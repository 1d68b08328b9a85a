/* prepared.c - statements that are prepared once and run many times with other values;
 * NULLs; an error that is expected. */
#include <kodiak.h>
#include <stdio.h>
#include <string.h>

static int failed(kdk_conn *conn)
{
    fprintf(stderr, "%s: %s\n", kdk_sqlstate(conn), kdk_errmsg(conn));
    return 1;
}

static int work(kdk_conn *conn)
{
    static const char *const names[] = {"Anna", "Ben", NULL, "Dora"};
    kdk_stmt *insert, *find;
    bool row;

    if (kdk_exec(conn,
                 "create table person (id integer primary key, name text, height double "
                 "precision)",
                 -1) != KDK_OK)
        return failed(conn);

    /* Parameters are numbered from 1. Bindings stay until they are bound anew. */
    if (kdk_prepare(conn, "insert into person values ($1, $2, $3)", -1, &insert, NULL) !=
        KDK_OK)
        return failed(conn);
    for (int i = 0; i < 4; i++) {
        kdk_status status = kdk_bind_int64(insert, 1, i + 1);
        if (status == KDK_OK)
            status = names[i] ? kdk_bind_text(insert, 2, names[i], -1)
                              : kdk_bind_null(insert, 2);
        if (status == KDK_OK)
            status = kdk_bind_double(insert, 3, 1.5 + i / 10.0);
        if (status != KDK_OK || kdk_step(insert, &row) != KDK_OK)
            return failed(conn);
    }

    /* The same key again is refused, and the statement can be used on. */
    if (kdk_step(insert, &row) == KDK_OK || strcmp(kdk_sqlstate(conn), "23505") != 0) {
        fprintf(stderr, "a key was taken twice\n");
        return 1;
    }
    printf("refused: %s\n", kdk_errmsg(conn));
    kdk_stmt_free(insert);

    if (kdk_prepare(conn, "select name, height from person where id = $1", -1, &find,
                    NULL) != KDK_OK)
        return failed(conn);
    for (int id = 1; id <= 5; id++) {
        if (kdk_bind_int64(find, 1, id) != KDK_OK || kdk_step(find, &row) != KDK_OK)
            return failed(conn);
        if (!row)
            printf("%d: nobody\n", id);
        else
            printf("%d: %s, %.1f m\n", id,
                   kdk_column_null(find, 0) ? "(no name)" : kdk_column_text(find, 0, NULL),
                   kdk_column_double(find, 1));
        kdk_reset(find); /* We want no more rows of this run. */
    }
    kdk_stmt_free(find);
    return 0;
}

int main(void)
{
    kdk_db *db;
    kdk_conn *conn;
    kdk_error error;
    int code;

    if (kdk_open(":memory:", NULL, &db, &error) != KDK_OK) {
        fprintf(stderr, "%s: %s\n", error.sqlstate, error.message);
        return 1;
    }
    if (kdk_connect(db, &conn) != KDK_OK)
        return 1;
    code = work(conn);
    kdk_disconnect(conn);
    return kdk_close(db) == KDK_OK ? code : 1;
}
