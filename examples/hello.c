/* hello.c - open a database in memory, run statements, read rows. */
#include <kodiak.h>
#include <stdio.h>

int main(void)
{
    kdk_db *db = NULL;
    kdk_conn *conn = NULL;
    kdk_stmt *stmt = NULL;
    kdk_error error;
    bool row = true;
    int code = 1;

    if (kdk_open(":memory:", NULL, &db, &error) != KDK_OK) {
        fprintf(stderr, "%s: %s\n", error.sqlstate, error.message);
        return 1;
    }
    if (kdk_connect(db, &conn) != KDK_OK)
        goto out;
    if (kdk_exec(conn,
                 "create table bear (name text primary key, kilograms integer);"
                 "insert into bear values ('Kodiak', 680), ('Sun', 65), ('Polar', 450);",
                 -1) != KDK_OK)
        goto out;
    if (kdk_prepare(conn, "select name, kilograms from bear order by kilograms desc", -1,
                    &stmt, NULL) != KDK_OK)
        goto out;
    while (kdk_step(stmt, &row) == KDK_OK && row)
        printf("%-8s %5lld kg\n", kdk_column_text(stmt, 0, NULL),
               (long long)kdk_column_int64(stmt, 1));
    code = kdk_sqlstate(conn)[0] != 0; /* An error ends the loop, too. */
out:
    if (conn && kdk_sqlstate(conn)[0])
        fprintf(stderr, "%s: %s\n", kdk_sqlstate(conn), kdk_errmsg(conn));
    kdk_stmt_free(stmt);
    kdk_disconnect(conn);
    return kdk_close(db) == KDK_OK ? code : 1;
}
