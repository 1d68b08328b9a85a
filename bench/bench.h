/* bench.h - what the measurements share: clocks, a database that must work, syncs counted
 * for whoever runs in this process. */
#ifndef KDK_BENCH_H
#define KDK_BENCH_H

#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kodiak.h"
#ifdef BENCH_SQLITE
#include <sqlite3.h>
#endif

static inline double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Of all threads of this process: steadier than the clock where others work on the
 * machine. */
static inline double processor_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* A xorshift: the same numbers in each run. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline uint64_t argument(int argc, char **argv, int i, uint64_t otherwise)
{
    return argc > i ? strtoull(argv[i], NULL, 10) : otherwise;
}

/* ------------------------------------------------------------------- directories ---- */

static inline int remove_one(const char *path, const struct stat *stat, int kind,
                             struct FTW *at)
{
    (void)stat;
    (void)kind;
    (void)at;
    return remove(path);
}

static inline void remove_all(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A new directory below $TMPDIR, else below the current one: a memory file system has no
 * syncs to measure. */
static inline const char *scratch(void)
{
    static char path[4096];
    const char *under = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/kodiak-bench-XXXXXX", under ? under : ".");
    if (!mkdtemp(path))
        die("mkdtemp", path);
    return path;
}

/* Bytes that this process has read through calls since it began. */
static inline uint64_t bytes_read(void)
{
    unsigned long long bytes = 0;
    FILE *file = fopen("/proc/self/io", "r");
    if (file && fscanf(file, "rchar: %llu", &bytes) != 1)
        bytes = 0;
    if (file)
        fclose(file);
    return bytes;
}

/* ------------------------------------------------------------------------ kodiak ---- */

static inline void run(kdk_conn *conn, const char *sql)
{
    if (kdk_exec(conn, sql, -1) != KDK_OK)
        die(sql, kdk_errmsg(conn));
}

static inline kdk_stmt *prepare(kdk_conn *conn, const char *sql)
{
    kdk_stmt *stmt;
    if (kdk_prepare(conn, sql, -1, &stmt, NULL) != KDK_OK)
        die(sql, kdk_errmsg(conn));
    return stmt;
}

/* NULL with a word about it when there is no such kind of database. */
static inline kdk_db *open_kodiak(const char *path)
{
    kdk_db *db;
    kdk_error error;
    kdk_status status = kdk_open(path, NULL, &db, &error);
    if (status == KDK_UNSUPPORTED) {
        printf("%s\n", error.message);
        return NULL;
    }
    if (status != KDK_OK)
        die(path, error.message);
    return db;
}

/* ------------------------------------------------------------------------ sqlite ---- */

#ifdef BENCH_SQLITE
static inline void lite_run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sql, sqlite3_errmsg(db));
}

static inline sqlite3_stmt *lite_prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        die(sql, sqlite3_errmsg(db));
    return stmt;
}

/* On disk: write-ahead log, every commit durable. */
static inline sqlite3 *lite_open(const char *path)
{
    sqlite3 *db;
    if (sqlite3_open_v2(path, &db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        die(path, sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, 60000);
    if (strcmp(path, ":memory:") != 0)
        lite_run(db, "pragma journal_mode = wal; pragma synchronous = full");
    return db;
}
#endif

#endif
