/* crash_test.c - COPY on the simulated system: each call fails once, and the power goes at
 * each change. */
#include "check.h"
#include "format/session_test.h"
#include "os/sim.h"

static kdk_status count_files(void *context, const char *name, struct err *err)
{
    (void)err;
    uint32_t *counts = context;
    counts[strstr(name, ".tmp") != NULL]++;
    return KDK_OK;
}

/* A table of 200 rows, and its first 100 in /a.csv, durably. */
static struct sim *prepare(struct session *s, uint64_t seed)
{
    struct sim *sim = NULL;
    CHECK_EQ(sim_new(&(struct sim_options){.seed = seed, .quiet = true}, &sim, NULL),
             KDK_OK);
    session_open(s, sim_os(sim));
    session_do(s, "create table t as select g as id, 'row number ' || g as name from "
                  "generate_series(1, 200) g");
    session_do(s, "create table u (id int, name text)");
    session_do(
        s, "copy (select * from t where id <= 100) to '/a.csv' with (format csv, header)");
    return sim;
}

/* The file is whole: the old one or the new one. */
static void check_whole(struct session *s, bool arrow)
{
    session_do(s, arrow ? "select count(*), sum(id), max(name) from '/a.arrow'"
                        : "select count(*), sum(id), max(name) from '/a.csv'");
    if (strcmp(s->rows.data, "100|5050|row number 99\n") != 0)
        CHECK_STR(s->rows.data, "200|20100|row number 99\n");
}

TEST(crash, each_failed_call_is_told_and_the_file_stays_whole)
{
    static const char *const statements[] = {
        "copy t to '/a.csv' with (format csv, header)",
        "copy u from '/a.csv' with (format csv, header)",
        "select count(*) from '/a.csv' where id > 0",
        "copy t to '/a.arrow' with (format arrow)", "copy u from '/a.arrow'"};
    struct session s;
    uint32_t failures = 0;
    struct sim *sim = prepare(&s, 3);
    session_do(&s,
               "copy (select * from t where id <= 100) to '/a.arrow' with (format arrow)");
    for (size_t i = 0; i < COUNT_OF(statements); i++) {
        for (uint64_t n = 1;; n++) {
            uint32_t counts[2] = {0};
            const uint64_t before = sim_calls_all(sim);
            session_do(&s, "delete from u");
            sim_fail_at(sim, before + n, false, n % 2 ? KDK_IO : KDK_FULL);
            kdk_status status = session_run(&s, statements[i]);
            const bool hit = sim_calls_all(sim) >= before + n;
            sim_fail_at(sim, 0, false, KDK_IO);
            if (!hit) {
                CHECK_EQ(status, KDK_OK);
                break;
            }
            failures++;
            CHECK(status == KDK_IO || status == KDK_FULL);
            session_rows(&s, "select count(*) from u", "0\n");
            CHECK_EQ(os_list(sim_os(sim), "/", count_files, counts, NULL), KDK_OK);
            CHECK_EQ(counts[0], 2);
            CHECK_EQ(counts[1], 0);
            check_whole(&s, false);
            check_whole(&s, true);
        }
    }
    CHECK(failures > 20);
    session_close(&s);
    sim_free(sim);
}

TEST(crash, the_file_is_whole_after_a_cut)
{
    struct session s;
    uint32_t cuts = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        for (uint64_t n = 1;; n++) {
            struct sim *sim = prepare(&s, seed);
            sim_cut_at(sim, sim_calls_mutating(sim) + n);
            kdk_status status =
                session_run(&s, "copy t to '/a.csv' with (format csv, header)");
            sim_reboot(sim);
            check_whole(&s, false);
            if (status == KDK_OK)
                session_rows(&s, "select count(*) from '/a.csv'", "200\n");
            session_close(&s);
            sim_free(sim);
            if (status == KDK_OK)
                break;
            cuts++;
        }
    }
    CHECK(cuts >= 20);
}
