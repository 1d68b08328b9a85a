/* transactions.c - two connections that move money between the same accounts. Transactions
 * see a snapshot; one that would change a row that another has changed since fails with
 * 40001 and is run again from its start: that is all that an application has to do. */
#include <kodiak.h>
#include <stdio.h>
#include <string.h>

enum { TRIES_MAX = 10 };

static kdk_status transfer_once(kdk_conn *conn, kdk_conn *meddler)
{
    kdk_status status;
    if ((status = kdk_exec(conn, "begin", -1)) != KDK_OK ||
        (status = kdk_exec(conn, "select balance from account where id = 1", -1)) != KDK_OK)
        return status;
    /* Between our read and our write another connection commits a change of the same
     * row. */
    if (meddler &&
        kdk_exec(meddler, "update account set balance = balance + 1 where id = 1", -1) !=
            KDK_OK)
        fprintf(stderr, "the other: %s\n", kdk_errmsg(meddler));
    if ((status = kdk_exec(conn, "update account set balance = balance - 10 where id = 1",
                           -1)) != KDK_OK ||
        (status = kdk_exec(conn, "update account set balance = balance + 10 where id = 2",
                           -1)) != KDK_OK)
        return status;
    return kdk_exec(conn, "commit", -1);
}

static int transfer(kdk_conn *conn, kdk_conn *meddler)
{
    for (int attempt = 1; attempt <= TRIES_MAX; attempt++) {
        /* Only the first attempt is disturbed. */
        if (transfer_once(conn, attempt == 1 ? meddler : NULL) == KDK_OK) {
            printf("done at attempt %d\n", attempt);
            return attempt;
        }
        bool again = strcmp(kdk_sqlstate(conn), "40001") == 0;
        printf("attempt %d: %s: %s\n", attempt, kdk_sqlstate(conn), kdk_errmsg(conn));
        if (kdk_in_transaction(conn, NULL) && kdk_exec(conn, "rollback", -1) != KDK_OK)
            return 0;
        if (!again)
            return 0;
    }
    return 0;
}

static long long balance(kdk_conn *conn, int id)
{
    kdk_stmt *stmt;
    bool row;
    long long value = -1;
    if (kdk_prepare(conn, "select balance from account where id = $1", -1, &stmt, NULL) !=
        KDK_OK)
        return -1;
    if (kdk_bind_int64(stmt, 1, id) == KDK_OK && kdk_step(stmt, &row) == KDK_OK && row)
        value = kdk_column_int64(stmt, 0);
    kdk_stmt_free(stmt);
    return value;
}

int main(void)
{
    kdk_db *db;
    kdk_conn *one = NULL, *two = NULL;
    int code = 1;

    if (kdk_open(":memory:", NULL, &db, NULL) != KDK_OK)
        return 1;
    if (kdk_connect(db, &one) == KDK_OK && kdk_connect(db, &two) == KDK_OK &&
        kdk_exec(one,
                 "create table account (id integer primary key, balance bigint);"
                 "insert into account values (1, 100), (2, 100)",
                 -1) == KDK_OK) {
        int attempts = transfer(one, two);
        printf("balances: %lld and %lld\n", balance(one, 1), balance(one, 2));
        /* The first attempt met the other's change; nothing of it is left, and nothing of
         * either is lost. */
        code = !(attempts == 2 && balance(one, 1) == 91 && balance(one, 2) == 110);
    }
    kdk_disconnect(one);
    kdk_disconnect(two);
    return kdk_close(db) == KDK_OK ? code : 1;
}
