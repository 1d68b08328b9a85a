/* The step files of test/steps, run through kodiak.h: several connections, one step after
 * the other, each answer compared. What is read here is what `kodiak --steps` reads: see
 * test/steps/README.md. */
#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kodiak.h"
#include "os/sim.h"

#define NAMES_MAX 8

struct steps {
    kdk_db *db;
    struct {
        char name[16];
        kdk_conn *conn;
    } conns[NAMES_MAX];
    char answer[8192]; /* Of the last step: lines. */
    size_t bytes;
    const char *rest; /* What `=>` has not seen of it. */
    bool failed, compared;
};

static kdk_conn **connection(struct steps *s, const char *name, size_t bytes)
{
    for (int i = 0; i < NAMES_MAX; i++) {
        if (s->conns[i].conn && strlen(s->conns[i].name) == bytes &&
            memcmp(s->conns[i].name, name, bytes) == 0)
            return &s->conns[i].conn;
    }
    for (int i = 0; i < NAMES_MAX; i++)
        if (!s->conns[i].conn && bytes < sizeof s->conns[i].name) {
            memcpy(s->conns[i].name, name, bytes);
            s->conns[i].name[bytes] = '\0';
            return kdk_connect(s->db, &s->conns[i].conn) == KDK_OK ? &s->conns[i].conn
                                                                   : NULL;
        }
    return NULL;
}

static void add(struct steps *s, const char *text)
{
    size_t n = strlen(text);
    if (CHECK(s->bytes + n < sizeof s->answer)) {
        memcpy(s->answer + s->bytes, text, n + 1);
        s->bytes += n;
    }
}

static void run_step(struct steps *s, const char *name, size_t name_bytes, const char *sql)
{
    kdk_conn **conn = connection(s, name, name_bytes);
    kdk_stmt *stmt = NULL;
    bool row, any = false;
    kdk_status status;

    s->bytes = 0;
    s->answer[0] = '\0';
    s->rest = s->answer;
    s->failed = s->compared = false;
    if (!CHECK(conn != NULL))
        return;
    if (strcmp(sql, ".close") == 0) {
        kdk_disconnect(*conn);
        *conn = NULL;
        return;
    }
    status = kdk_prepare(*conn, sql, -1, &stmt, NULL);
    while (status == KDK_OK && (status = kdk_step(stmt, &row)) == KDK_OK && row) {
        any = true;
        for (uint32_t c = 0; c < kdk_column_count(stmt); c++) {
            const char *text = kdk_column_text(stmt, c, NULL);
            add(s, c ? "," : "");
            add(s, text ? text : "NULL");
        }
        add(s, "\n");
    }
    if (status != KDK_OK) {
        s->failed = true;
        add(s, "ERROR ");
        add(s, kdk_sqlstate(*conn));
        add(s, "\n");
    } else if (!any) {
        add(s, kdk_column_count(stmt) ? "(no rows)" : kdk_command_tag(stmt));
        add(s, "\n");
    }
    kdk_stmt_free(stmt);
}

/* Nothing may be left of an answer that was compared, and no error that nobody expects. */
static bool settle(struct steps *s, const char *where)
{
    if (*s->rest && (s->compared || s->failed)) {
        fprintf(stderr, "%s: more came: %s", where, s->rest);
        return CHECK(false);
    }
    return true;
}

static void run_file(const char *path, const char *database)
{
    FILE *file = fopen(path, "r");
    struct steps s = {.rest = ""};
    char line[1024], where[512] = "";
    int number = 0;
    bool same = true;

    if (!CHECK(file != NULL) || !CHECK_EQ(kdk_open(database, NULL, &s.db, NULL), KDK_OK))
        return;
    while (same && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        number++;
        if (line[0] == '#' || line[0] == '\0')
            continue;
        if (strncmp(line, "=>", 2) == 0) {
            const char *wanted = line[2] == ' ' ? line + 3 : line + 2;
            size_t n = strcspn(s.rest, "\n");
            s.compared = true;
            same = n == strlen(wanted) && memcmp(s.rest, wanted, n) == 0;
            if (!same)
                fprintf(stderr, "%s:%d: wanted %s, got %s\n", path, number, wanted,
                        *s.rest ? s.rest : "nothing");
            CHECK(same);
            s.rest += n + (s.rest[n] == '\n');
            continue;
        }
        size_t name = strcspn(line, ":");
        if (!CHECK(line[name] == ':'))
            break;
        same = settle(&s, where);
        snprintf(where, sizeof where, "%s:%d", path, number);
        run_step(&s, line, name, line + name + 1 + strspn(line + name + 1, " "));
    }
    (void)settle(&s, where);
    fclose(file);
    for (int i = 0; i < NAMES_MAX; i++)
        kdk_disconnect(s.conns[i].conn);
    int64_t problems = -1;
    CHECK_EQ(kdk_check(s.db, &problems, NULL, NULL), KDK_OK);
    CHECK_EQ(problems, 0);
    CHECK_EQ(kdk_close(s.db), KDK_OK);
}

struct one {
    const char *path;
};

static void run_on_disk(void *context)
{
    run_file(((struct one *)context)->path, "/db");
}

static void run_all(bool disk)
{
    glob_t found;
    if (!CHECK_EQ(glob(KDK_SOURCE_DIR "/test/steps/*.steps", 0, NULL, &found), 0))
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct one one = {found.gl_pathv[i]};
        struct sim *sim = NULL;
        struct err err = {0};
        if (!disk) {
            run_file(one.path, ":memory:");
            continue;
        }
        if (!CHECK_EQ(
                sim_new(&(struct sim_options){.seed = i + 1, .quiet = true}, &sim, &err),
                KDK_OK))
            break;
        CHECK(sim_run(sim, run_on_disk, &one));
        sim_free(sim);
    }
    CHECK(found.gl_pathc >= 9);
    globfree(&found);
}

TEST(snapshot, step_files_in_memory)
{
    run_all(false);
}

TEST(snapshot, step_files_on_disk)
{
    run_all(true);
}
