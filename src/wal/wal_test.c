/* wal_test.c - on the simulated system: what was acknowledged survives every power cut;
 * damage is told from a torn end; full disks and failing calls hurt nobody who was not
 * told.
 *
 * A commit of the tests says who wrote it and its how-manieth it is; `expect` checks that
 * what replay gives is in order, without gaps, whole, and has all that was acknowledged.
 */
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

#include "base/hash.h"
#include "base/mem.h"
#include "os/sim.h"
#include "wal/record.h"
#include "wal/wal.h"

enum { WRITERS = 4, SEGMENT = 4096, SEEDS = 40 };
#define COPIES (1ull << 40) /* Disk bytes of a system that never writes in place. */

struct world {
    struct sim *sim;
    struct os *os;
    struct wal *wal;
    struct wal_report report;
    struct err err;
    struct latch order; /* As a commit latch. */
    uint64_t timestamp;
    uint64_t acked[WRITERS], appended[WRITERS]; /* How many commits of each. */
    /* Where replay begins, and what came before. */
    uint64_t from_lsn, from_timestamp, from_seen[WRITERS];
    /* Replay. */
    uint64_t seen[WRITERS], replayed, seen_timestamp, ahead;
    uint32_t parts_seen;
    uint64_t each; /* Commits of a writer in a workload. */
    uint64_t release_every;
    kdk_status stopped; /* First error that a writer got. */
    bool upkeep;        /* With its thread. */
    unsigned retries;   /* Of a writer, when a commit failed. */
    uint64_t heal_ns;   /* So long after the first failure there is space again. */
    unsigned ended;     /* Writers. */
    uint64_t withdrawn; /* Commits taken back: their timestamps do not come. */
};

static void world_new(struct world *w, uint64_t seed, uint64_t disk_bytes)
{
    struct sim_options options = {.seed = seed,
                                  .quiet = true,
                                  .disk_bytes = disk_bytes,
                                  .copies_on_write = disk_bytes == COPIES};
    *w = (struct world){0};
    CHECK_EQ(sim_new(&options, &w->sim, &w->err), KDK_OK);
    w->os = sim_os(w->sim);
    latch_init(&w->order, OS_RANK_COMMIT);
}

static struct wal_options options_of(struct world *w)
{
    return (struct wal_options){
        .os = w->os, .dir = "/", .from_lsn = w->from_lsn, .segment_bytes = SEGMENT};
}

static kdk_status open_log(struct world *w)
{
    struct wal_options options = options_of(w);
    return wal_open(&options, &w->wal, &w->report, &w->err);
}

/* One commit: `filler` bytes as well, in so many parts. */
static kdk_status commit(struct world *w, unsigned writer, size_t filler, unsigned parts,
                         struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal_batch *batch = NULL;
    uint64_t lsn;
    char key[3000];
    memset(key, 'k', sizeof key);

    TRY(wal_batch_new(w->wal, WAL_COMMIT, &batch, err));
    for (unsigned i = 0; i < parts; i++) {
        record_add_index(wal_batch_records(batch), true, writer, i, 1, key, filler, false);
        TRY(wal_part(batch, err));
    }
    record_add_index(wal_batch_records(batch), true, writer, parts, 1, key, filler, false);
    record_add_sequence(wal_batch_records(batch), writer, (int64_t)w->appended[writer] + 1);
    TRY(wal_reserve(batch, false, err));
    latch_acquire(&w->order);
    status = wal_append(batch, w->timestamp + 1, &lsn, err);
    if (status == KDK_OK) {
        w->timestamp++;
        w->appended[writer]++;
    }
    latch_release(&w->order);
    TRY(status);
    batch = NULL;
    const uint64_t mine = w->appended[writer];
    bool withdrawn;
    status = wal_wait_commit(w->wal, lsn, &withdrawn, err);
    if (withdrawn) {
        CHECK(status == KDK_FULL || status == KDK_IO);
        w->withdrawn++;
        w->appended[writer]--; /* Nobody else counts it on. */
        CHECK_EQ(w->appended[writer], mine - 1);
        w->from_seen[writer] = MIN(w->from_seen[writer], mine - 1);
    }
    TRY(status);
    w->acked[writer] = mine;
out:
    wal_batch_free(batch);
    return status;
}

static kdk_status replay_one(void *context, const struct wal_replayed *batch,
                             struct err *err)
{
    struct world *w = context;
    struct cursor in = cursor_of(batch->records, batch->bytes);
    struct record_view view;
    w->replayed++;
    if (batch->kind == WAL_AHEAD) {
        CHECK_EQ(record_next(&in, &view, err), KDK_OK);
        CHECK_EQ(view.kind, RECORD_OBJECT_IDS);
        CHECK(view.number > w->ahead);
        w->ahead = view.number;
        return KDK_OK;
    }
    if (!CHECK(batch->kind == WAL_COMMIT || batch->kind == WAL_PART))
        return KDK_OK;
    CHECK_EQ(batch->part, w->parts_seen);
    w->parts_seen = batch->kind == WAL_PART ? w->parts_seen + 1 : 0;
    CHECK_EQ(record_next(&in, &view, err), KDK_OK);
    CHECK_EQ(view.index, batch->part);
    if (batch->kind == WAL_PART) {
        CHECK(batch->timestamp > w->seen_timestamp);
        return KDK_OK;
    }
    CHECK_EQ(batch->parts, batch->part);
    CHECK_EQ(record_next(&in, &view, err), KDK_OK);
    if (!CHECK(view.kind == RECORD_SEQUENCE && view.number < WRITERS))
        return KDK_OK;
    /* In order of timestamps, all of them from where replay had to begin, each writer's in
     * its order. */
    CHECK(w->seen_timestamp < w->from_timestamp ? batch->timestamp > w->seen_timestamp
          : w->withdrawn                        ? batch->timestamp > w->seen_timestamp
                         : batch->timestamp == w->seen_timestamp + 1);
    CHECK(w->seen[view.number] < w->from_seen[view.number]
              ? (uint64_t)view.value > w->seen[view.number]
              : (uint64_t)view.value == w->seen[view.number] + 1);
    w->seen_timestamp = batch->timestamp;
    w->seen[view.number] = (uint64_t)view.value;
    CHECK_EQ(cursor_left(&in), 0);
    return KDK_OK;
}

/* Opens, replays, and goes on from there. */
static bool reopen(struct world *w)
{
    memset(w->seen, 0, sizeof w->seen);
    w->seen_timestamp = w->replayed = w->ahead = 0;
    w->parts_seen = 0;
    if (!CHECK_EQ(open_log(w), KDK_OK)) {
        check_str(w->err.message, "", w->err.detail, __FILE__, __LINE__);
        return false;
    }
    if (!CHECK_EQ(wal_replay(w->wal, replay_one, w, &w->err), KDK_OK))
        check_str(w->err.message, "", w->err.detail, __FILE__, __LINE__);
    /* A commit whose parts lie before the begin is found and not replayed. */
    CHECK(w->seen_timestamp == w->report.last_timestamp || w->from_lsn);
    return true;
}

/* All that was acknowledged is there, and nothing that was never appended. */
static void expect(struct world *w)
{
    for (unsigned i = 0; i < WRITERS; i++) {
        w->seen[i] = MAX(w->seen[i], w->from_seen[i]);
        CHECK(w->seen[i] <= w->appended[i]);
        CHECK(w->seen[i] >= w->acked[i]);
    }
    w->seen_timestamp = MAX(w->seen_timestamp, w->from_timestamp);
    CHECK(w->seen_timestamp <= w->timestamp);
}

static void shut(struct world *w)
{
    CHECK_EQ(wal_close(w->wal, &w->err), KDK_OK);
    w->wal = NULL;
}

static void world_free(struct world *w)
{
    sim_free(w->sim);
}

TEST(wal, commits_come_back_in_order)
{
    struct world w;
    struct wal_stats stats;
    world_new(&w, 1, 0);
    CHECK(reopen(&w));
    CHECK(w.report.created);
    for (unsigned i = 0; i < 40; i++) {
        CHECK_EQ(commit(&w, i % WRITERS, i * 70, i % 5 == 4 ? 3 : 0, &w.err), KDK_OK);
        if (i % 10 == 3) {
            /* A transaction that comes to nothing. */
            struct wal_batch *batch;
            CHECK_EQ(wal_batch_new(w.wal, WAL_COMMIT, &batch, &w.err), KDK_OK);
            record_add_delete(wal_batch_records(batch), 9, 9);
            CHECK_EQ(wal_part(batch, &w.err), KDK_OK);
            CHECK_EQ(wal_part(batch, &w.err), KDK_OK);
            wal_batch_free(batch);
        }
    }
    wal_stats(w.wal, &stats);
    CHECK(stats.segments > 5);
    shut(&w);
    CHECK(reopen(&w));
    CHECK(!w.report.created);
    CHECK_EQ(w.report.cut_bytes, 0);
    CHECK_EQ(w.seen_timestamp, 40);
    CHECK_EQ(w.replayed, 40 + 8 * 3);
    expect(&w);
    /* A checkpoint now replays from the group that vouches: by that, opening sees that the
     * log was closed, and does not search what is behind. */
    CHECK_EQ(wal_position(w.wal) + WAL_SECTOR, wal_durable(w.wal));
    /* Nothing was written: closing has nothing to vouch for. */
    uint64_t end = wal_durable(w.wal);
    shut(&w);
    CHECK(reopen(&w));
    CHECK_EQ(wal_durable(w.wal), end);
    shut(&w);
    world_free(&w);
}

TEST(wal, one_changed_column_is_short)
{
    struct world w;
    struct wal_batch *batch;
    struct ltype type = LTYPE(BIGINT);
    struct datum value = {.i = 123456789};
    uint32_t column = 7;
    world_new(&w, 1, 0);
    CHECK(reopen(&w));
    CHECK_EQ(wal_batch_new(w.wal, WAL_COMMIT, &batch, &w.err), KDK_OK);
    record_add_row(wal_batch_records(batch), 1000, 6000000, &column, &type, &value, 1);
    CHECK(wal_batch_bytes(batch) + 32 < 100);
    CHECK(wal_batch_bytes(batch) <= 16);
    wal_batch_free(batch);
    shut(&w);
    world_free(&w);
}

/* ---------------------------------------------------------------- power cuts ---- */

struct writer {
    struct world *w;
    unsigned number;
    struct os_thread *thread;
};

static void write_commits(struct writer *writer)
{
    struct world *w = writer->w;
    struct err err = {0};
    unsigned retries = 0;
    for (uint64_t i = 0; i < w->each; i++) {
        kdk_status status = commit(w, writer->number, (i * 331 + writer->number * 97) % 700,
                                   i % 4 == 3 ? 2 : 0, &err);
        if (status != KDK_OK) {
            if (w->stopped == KDK_OK)
                w->stopped = status;
            if (retries++ >= w->retries)
                return;
            i--;
            os_sleep_ns(20000);
            continue;
        }
        if (w->release_every && i % w->release_every == 1 && writer->number == 0) {
            /* As a checkpoint does: where replay begins moves on, and is known before
             * anything is released. */
            uint64_t appended[WRITERS];
            latch_acquire(&w->order);
            uint64_t from = wal_position(w->wal), timestamp = w->timestamp;
            memcpy(appended, w->appended, sizeof appended);
            latch_release(&w->order);
            if (wal_wait(w->wal, from, &err) == KDK_OK) {
                w->from_lsn = from;
                w->from_timestamp = timestamp;
                /* Some may have been taken back since. */
                for (unsigned k = 0; k < WRITERS; k++)
                    w->from_seen[k] = MIN(appended[k], w->appended[k]);
                status = wal_release_before(w->wal, from, &err);
                if (status != KDK_OK && w->stopped == KDK_OK)
                    w->stopped = status;
            }
        }
    }
}

static void write_many(void *context)
{
    struct writer *writer = context;
    write_commits(writer);
    writer->w->ended++;
}

static void workload(void *context)
{
    struct world *w = context;
    struct writer writers[WRITERS];
    struct err err = {0};
    if (open_log(w) != KDK_OK) {
        w->stopped = w->err.status;
        return;
    }
    w->seen_timestamp = w->ahead = 0;
    memset(w->seen, 0, sizeof w->seen);
    w->parts_seen = 0;
    w->stopped = wal_replay(w->wal, replay_one, w, &w->err);
    if (w->stopped != KDK_OK) {
        (void)wal_close(w->wal, &err);
        w->wal = NULL;
        return;
    }
    if (w->upkeep)
        w->stopped = wal_start_upkeep(w->wal, &w->err);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){w, i, NULL};
        CHECK_EQ(os_thread_new(w->os, "writer", write_many, &writers[i], &writers[i].thread,
                               &err),
                 KDK_OK);
    }
    if (w->heal_ns) {
        while (w->stopped == KDK_OK && w->ended < WRITERS)
            os_sleep_ns(20000);
        os_sleep_ns(w->heal_ns);
        sim_full_at(w->sim, 0, false);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        os_thread_join(writers[i].thread);
    (void)wal_close(w->wal, &err);
    w->wal = NULL;
}

/* Cuts, reopens, checks, and cuts again in the life after. */
static bool cut_at(uint64_t seed, uint64_t n, uint64_t release_every)
{
    struct world w;
    bool ended = false;
    world_new(&w, seed, 0);
    w.each = 6;
    w.release_every = release_every;
    w.upkeep = seed % 2;
    for (unsigned life = 0; life < 3; life++) {
        sim_cut_at(w.sim, life == 0 ? n : n % 17 + life);
        sim_memory_begin();
        bool all = sim_run(w.sim, workload, &w);
        if (!all) {
            CHECK_EQ(sim_last_error(w.sim, NULL), KDK_OK);
            sim_memory_reap();
        } else {
            mem_track_end();
        }
        if (life == 0)
            ended = all;
        w.wal = NULL;
        sim_reboot(w.sim);
        if (!reopen(&w)) {
            printf("seed %llu, cut at %llu, life %u\n", (unsigned long long)seed,
                   (unsigned long long)n, life);
            return true;
        }
        expect(&w);
        /* What was not acknowledged and is gone may come again under its number. */
        for (unsigned i = 0; i < WRITERS; i++)
            w.acked[i] = w.appended[i] = w.seen[i];
        w.timestamp = w.seen_timestamp;
        latch_init(&w.order, OS_RANK_COMMIT);
        shut(&w);
    }
    world_free(&w);
    return ended;
}

TEST(wal, survives_power_cuts)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        for (uint64_t n = 1; !cut_at(seed, n, 0); n++) {
        }
}

TEST(wal, survives_power_cuts_with_recycling)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        for (uint64_t n = 1; !cut_at(seed, n, 2); n++) {
        }
}

/* Sabotaged syncs must be seen, else the tests above show nothing. */
TEST(wal, tests_see_missing_syncs)
{
    unsigned lost = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct sim_options options = {.seed = seed,
                                      .quiet = true,
                                      .breaks = seed % 2 ? SIM_BREAK_SKIP_FSYNC
                                                         : SIM_BREAK_DROP_DIR_SYNC};
        struct world w = {.each = 6};
        CHECK_EQ(sim_new(&options, &w.sim, &w.err), KDK_OK);
        w.os = sim_os(w.sim);
        latch_init(&w.order, OS_RANK_COMMIT);
        CHECK(sim_run(w.sim, workload, &w));
        sim_reboot(w.sim);
        uint64_t acked = w.timestamp;
        kdk_status status = open_log(&w);
        lost += status != KDK_OK || w.report.last_timestamp < acked;
        if (status == KDK_OK)
            (void)wal_close(w.wal, NULL);
        sim_free(w.sim);
    }
    CHECK(lost >= 15);
}

/* -------------------------------------------------------------------- damage ---- */

/* A log of three groups and one that vouches, all bits of which are turned over, one at a
 * time. */
TEST(wal, invariant_14_damage_is_found_at_every_bit)
{
    struct world w;
    uint64_t end;
    world_new(&w, 3, 0);
    CHECK(reopen(&w));
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(commit(&w, i, 100 + i * 300, 0, &w.err), KDK_OK);
    uint64_t vouching = wal_durable(w.wal);
    shut(&w);
    CHECK(reopen(&w));
    end = wal_durable(w.wal);
    CHECK_EQ(end, vouching + WAL_SECTOR);
    shut(&w);
    unsigned found = 0, harmless = 0;
    for (uint64_t at = 0; at < end; at++) {
        for (unsigned bit = 0; bit < 8; bit += at % 64 < 4 ? 1 : 3) {
            struct wal_options options = options_of(&w);
            struct wal_report report;
            struct wal *wal = NULL;
            struct err err = {0};
            CHECK_EQ(sim_flip(w.sim, "/wal/0000000000000000.log", at, (uint8_t)(1u << bit),
                              &err),
                     KDK_OK);
            options.read_only = true;
            kdk_status status = wal_open(&options, &wal, &report, &err);
            if (at >= vouching) {
                /* Nobody needs it. */
                CHECK_EQ(status, KDK_OK);
                CHECK_EQ(report.last_timestamp, 3);
                CHECK(report.end_lsn == end || report.end_lsn == vouching);
            } else if (status == KDK_OK) {
                harmless++; /* Zeros behind a group. */
                CHECK_EQ(report.last_timestamp, 3);
            } else {
                found++;
                CHECK_EQ(status, KDK_CORRUPT);
                CHECK(strstr(err.detail, "/wal/0000000000000000.log") != NULL);
                options.accept_damage = true;
                CHECK_EQ(wal_open(&options, &wal, &report, &err), KDK_OK);
                CHECK(report.damaged);
                CHECK_EQ(err.status, KDK_CORRUPT);
                CHECK(report.end_lsn <= at && report.last_timestamp < 3);
                w.seen_timestamp = w.parts_seen = 0;
                memset(w.seen, 0, sizeof w.seen);
                CHECK_EQ(wal_replay(wal, replay_one, &w, &err), KDK_OK);
                CHECK_EQ(w.seen_timestamp, report.last_timestamp);
                struct wal_batch *batch = NULL;
                CHECK_EQ(wal_batch_new(wal, WAL_COMMIT, &batch, &err), KDK_OK);
                CHECK_EQ(wal_reserve(batch, false, &err), KDK_READ_ONLY);
                wal_batch_free(batch);
            }
            if (wal)
                CHECK_EQ(wal_close(wal, &err), KDK_OK);
            CHECK_EQ(sim_flip(w.sim, "/wal/0000000000000000.log", at, (uint8_t)(1u << bit),
                              &err),
                     KDK_OK);
        }
    }
    CHECK(found > 2000);
    CHECK(harmless < found);
    world_free(&w);
}

/* The last group has nobody to vouch for it: it is cut, said so, and what comes after is
 * sound. */
TEST(wal, torn_end_is_cut_and_reported)
{
    struct world w;
    world_new(&w, 3, 0);
    CHECK(reopen(&w));
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(commit(&w, i, 900, 0, &w.err), KDK_OK);
    uint64_t end = wal_durable(w.wal);
    sim_reboot(w.sim); /* Without wal_close(). */
    (void)wal_close(w.wal, NULL);
    CHECK_EQ(sim_flip(w.sim, "/wal/0000000000000000.log", end - WAL_SECTOR + 3, 1, &w.err),
             KDK_OK);
    w.acked[2] = 0;
    CHECK(reopen(&w));
    CHECK_EQ(w.seen_timestamp, 2);
    CHECK_EQ(w.report.end_lsn, end - 2 * WAL_SECTOR);
    CHECK(w.report.cut_bytes > WAL_SECTOR && w.report.cut_bytes <= 2 * WAL_SECTOR);
    w.timestamp = 2;
    w.appended[2] = 0;
    CHECK_EQ(commit(&w, 2, 10, 0, &w.err), KDK_OK);
    shut(&w);
    CHECK(reopen(&w));
    CHECK_EQ(w.seen_timestamp, 3);
    CHECK_EQ(w.report.cut_bytes, 0);
    shut(&w);
    world_free(&w);
}

/* Behind a torn group there is a whole one, which does not vouch for it. Once something new
 * is written in the torn one's place it would follow without a gap. */
TEST(wal, what_is_cut_does_not_come_back)
{
    struct world w;
    struct os_file *file = NULL;
    uint8_t sector[WAL_SECTOR];
    world_new(&w, 5, 0);
    CHECK(reopen(&w));
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(commit(&w, i, 20, 0, &w.err), KDK_OK);
    sim_reboot(w.sim);
    (void)wal_close(w.wal, NULL);
    CHECK_EQ(os_open(w.os, "/wal/0000000000000000.log", OS_WRITE, &file, &w.err), KDK_OK);
    CHECK_EQ(os_read_exact(file, 2 * WAL_SECTOR, sector, WAL_SECTOR, &w.err), KDK_OK);
    /* What its header says was durable, and the checksum for it. */
    put_u64(sector + 24, WAL_SECTOR);
    put_u32(sector + 60, crc32c(crc32c(0, sector, 60), sector + 64, get_u64(sector + 32)));
    CHECK_EQ(os_write(file, 2 * WAL_SECTOR, sector, WAL_SECTOR, &w.err), KDK_OK);
    os_close(file);
    CHECK_EQ(sim_flip(w.sim, "/wal/0000000000000000.log", WAL_SECTOR + 70, 1, &w.err),
             KDK_OK);
    memset(w.acked, 0, sizeof w.acked);
    CHECK(reopen(&w));
    CHECK_EQ(w.seen_timestamp, 1);
    CHECK(w.report.cut_bytes > WAL_SECTOR && w.report.cut_bytes <= 2 * WAL_SECTOR);
    w.timestamp = 1;
    CHECK_EQ(commit(&w, 3, 20, 0, &w.err), KDK_OK);
    CHECK_EQ(wal_durable(w.wal), 2 * WAL_SECTOR);
    sim_reboot(w.sim);
    (void)wal_close(w.wal, NULL);
    CHECK(reopen(&w));
    CHECK_EQ(w.seen_timestamp, 2);
    CHECK_EQ(w.seen[2], 0);
    shut(&w);
    world_free(&w);
}

TEST(wal, missing_segment_is_damage)
{
    struct world w;
    world_new(&w, 5, 0);
    CHECK(reopen(&w));
    for (unsigned i = 0; i < 20; i++)
        CHECK_EQ(commit(&w, i % WRITERS, 600, 0, &w.err), KDK_OK);
    shut(&w);
    CHECK_EQ(os_remove(w.os, "/wal/0000000000000001.log", &w.err), KDK_OK);
    CHECK_EQ(open_log(&w), KDK_CORRUPT);
    CHECK(strstr(w.err.detail, "/wal/") != NULL);
    world_free(&w);
}

/* ---------------------------------------------------------------- full disks ---- */

/* W2: the log's order is that of the timestamps. */
/* However long: what follows it was durable, and says so. */
TEST(wal, a_lost_extent_is_damage)
{
    struct world w;
    struct err err = {0};
    static const uint8_t zeros[SEGMENT];
    world_new(&w, 6, 0);
    CHECK(reopen(&w));
    for (unsigned i = 0; i < 1400; i++)
        CHECK_EQ(commit(&w, i % WRITERS, 20, 0, &w.err), KDK_OK);
    CHECK(wal_durable(w.wal) > 160 * SEGMENT);
    shut(&w);
    for (unsigned n = 20; n < 150; n++) {
        char path[64];
        struct os_file *file = NULL;
        snprintf(path, sizeof path, "/wal/%016x.log", n);
        CHECK_EQ(os_open(w.os, path, OS_WRITE, &file, &err), KDK_OK);
        CHECK_EQ(os_write(file, 0, zeros, sizeof zeros, &err), KDK_OK);
        os_close(file);
    }
    CHECK_EQ(open_log(&w), KDK_CORRUPT);
    world_free(&w);
}

TEST(wal, invariant_12_commits_are_appended_in_the_order_of_timestamps)
{
    struct world w;
    struct wal_batch *batch;
    uint64_t lsn;
    world_new(&w, 2, 0);
    CHECK(reopen(&w));
    CHECK_EQ(commit(&w, 0, 10, 0, &w.err), KDK_OK);
    for (uint64_t wrong = 0; wrong <= w.timestamp; wrong++) {
        CHECK_EQ(wal_batch_new(w.wal, WAL_COMMIT, &batch, &w.err), KDK_OK);
        record_add_sequence(wal_batch_records(batch), 1, 1);
        CHECK_EQ(wal_reserve(batch, false, &w.err), KDK_OK);
        CHECK_EQ(wal_append(batch, wrong, &lsn, &w.err), KDK_INTERNAL);
        wal_batch_free(batch);
    }
    CHECK_EQ(commit(&w, 0, 10, 0, &w.err), KDK_OK);
    shut(&w);
    CHECK(reopen(&w));
    expect(&w);
    shut(&w);
    world_free(&w);
}

TEST(wal, full_disk_refuses_and_heals)
{
    struct world w;
    struct wal_batch *batch;
    uint64_t lsn, done = 0;
    world_new(&w, 2, 5 * SEGMENT);
    CHECK(reopen(&w));
    kdk_status status = KDK_OK;
    while ((status = commit(&w, 0, 300, 0, &w.err)) == KDK_OK)
        done++;
    CHECK_EQ(status, KDK_FULL);
    CHECK(done >= 12);
    CHECK_EQ(commit(&w, 0, 300, 0, &w.err), KDK_FULL);
    /* What makes room may use the reserve. */
    CHECK_EQ(wal_batch_new(w.wal, WAL_COMMIT, &batch, &w.err), KDK_OK);
    record_add_index(wal_batch_records(batch), true, 1, 0, 1, "", 0, false);
    record_add_sequence(wal_batch_records(batch), 1, 1);
    CHECK_EQ(wal_reserve(batch, true, &w.err), KDK_OK);
    CHECK_EQ(wal_append(batch, ++w.timestamp, &lsn, &w.err), KDK_OK);
    w.appended[1] = w.acked[1] = 1;
    CHECK_EQ(wal_wait(w.wal, lsn, &w.err), KDK_OK);
    sim_set_disk_bytes(w.sim, 8 * SEGMENT);
    CHECK_EQ(commit(&w, 0, 300, 0, &w.err), KDK_OK);
    shut(&w);
    CHECK(reopen(&w));
    expect(&w);
    CHECK_EQ(w.seen[0], done + 1);
    shut(&w);
    world_free(&w);
}

/* ------------------------------------------------------------- failing calls ---- */

/* Each I/O call fails once, or from there on. Whoever was told KDK_OK finds his commit
 * again. */
TEST(wal, survives_failing_calls)
{
    static const kdk_status kinds[] = {KDK_IO, KDK_FULL};
    for (unsigned mode = 0; mode < 4; mode++) {
        bool ended = false;
        for (uint64_t n = 1; !ended; n++) {
            struct world w;
            world_new(&w, 7 + n % 3, 0);
            w.each = 5;
            w.release_every = mode % 2 ? 2 : 0;
            w.upkeep = n % 2;
            sim_fail_at(w.sim, n, mode / 2, kinds[mode % 2]);
            CHECK(sim_run(w.sim, workload, &w));
            ended = sim_calls_all(w.sim) < n;
            if (ended)
                CHECK_EQ(w.stopped, KDK_OK);
            sim_fail_at(w.sim, 0, false, KDK_IO);
            if (n % 2)
                sim_reboot(w.sim);
            if (reopen(&w)) {
                expect(&w);
                shut(&w);
                /* What was found once stays, also what a sync had failed to write. */
                memcpy(w.acked, w.seen, sizeof w.seen);
                sim_reboot(w.sim);
                if (reopen(&w)) {
                    expect(&w);
                    shut(&w);
                }
            } else {
                printf("mode %u, call %llu\n", mode, (unsigned long long)n);
                ended = true;
            }
            world_free(&w);
        }
    }
}

/* From each call on there is no space for a while, not even where the log was written
 * before. What was refused is not there after a power cut either; when there is space
 * again, all goes on. */
TEST(wal, what_finds_no_space_is_taken_back_and_heals)
{
    uint64_t healed = 0, withdrawn = 0;
    bool ended = false;
    for (uint64_t n = 1; !ended; n++) {
        struct world w;
        world_new(&w, 70 + n % 5, COPIES);
        w.each = 6;
        w.retries = 60;
        w.heal_ns = 400000;
        w.upkeep = n % 2;
        w.release_every = n % 3 ? 0 : 2;
        sim_full_at(w.sim, n, true);
        CHECK(sim_run(w.sim, workload, &w));
        ended = sim_calls_all(w.sim) < n;
        unsigned done = 0;
        for (unsigned i = 0; i < WRITERS; i++)
            done += w.acked[i] == w.each;
        CHECK(done == WRITERS || w.ended == 0); /* There was a log. */
        healed += done == WRITERS && w.withdrawn;
        withdrawn += w.withdrawn;
        sim_full_at(w.sim, 0, false);
        sim_reboot(w.sim);
        if (reopen(&w)) {
            expect(&w);
            shut(&w);
        }
        world_free(&w);
    }
    CHECK(healed >= 30);
    CHECK(withdrawn >= healed);
}

/* The same, and then the power is cut: while commits are refused, while what is left of
 * them is erased and written, or later. */
TEST(wal, what_was_taken_back_does_not_come_back)
{
    uint64_t withdrawn = 0;
    for (uint64_t seed = 1; seed <= 10 * SEEDS; seed++) {
        struct world w;
        world_new(&w, seed, COPIES);
        w.each = 6;
        w.retries = 60;
        w.heal_ns = seed % 3 * 100000;
        w.upkeep = seed % 2;
        const uint64_t n = 8 + hash_u64(seed) % 60;
        sim_full_at(w.sim, n, true);
        sim_cut_at(w.sim, n / 2 + hash_u64(seed * 31) % 30);
        sim_memory_begin();
        if (sim_run(w.sim, workload, &w))
            mem_track_end();
        else
            sim_memory_reap();
        withdrawn += w.withdrawn > 0;
        sim_full_at(w.sim, 0, false);
        w.wal = NULL;
        sim_reboot(w.sim);
        if (reopen(&w)) {
            expect(&w);
            shut(&w);
        } else {
            printf("seed %llu\n", (unsigned long long)seed);
        }
        world_free(&w);
    }
    CHECK(withdrawn >= 2 * SEEDS);
}

static void commit_and_rest(void *context)
{
    struct world *w = context;
    if (!CHECK_EQ(open_log(w), KDK_OK) ||
        !CHECK_EQ(wal_start_upkeep(w->wal, &w->err), KDK_OK))
        return;
    for (unsigned i = 0; i < w->each; i++) {
        CHECK_EQ(commit(w, i % WRITERS, 500, 0, &w->err), KDK_OK);
        os_sleep_ns(1000000);
    }
    os_sleep_ns(3 * (uint64_t)WAL_IDLE_NS);
    w->ahead = wal_durable(w->wal);
}

/* Nobody closed the log; but it was idle, so what is wrong with its last commit is damage,
 * not a torn end. And so it is each time that it rests. */
TEST(wal, an_idle_log_is_vouched_for)
{
    for (unsigned each = 1; each <= 3; each++) {
        struct world w;
        struct wal_stats stats;
        world_new(&w, 3, 0);
        w.each = each;
        /* The thread still waits when the run's first coroutine ends: that ends the run as
         * a deadlock would. */
        sim_memory_begin();
        CHECK(!sim_run(w.sim, commit_and_rest, &w));
        wal_stats(w.wal, &stats);
        CHECK_EQ(stats.groups, each + 1);
        CHECK_EQ(w.ahead, (2 * each + 1) * WAL_SECTOR);
        w.wal = NULL;
        sim_memory_reap();
        sim_reboot(w.sim);
        CHECK_EQ(sim_flip(w.sim, "/wal/0000000000000000.log", w.ahead - 2 * WAL_SECTOR + 3,
                          1, &w.err),
                 KDK_OK);
        CHECK_EQ(open_log(&w), KDK_CORRUPT);
        world_free(&w);
    }
}

static void commit_with_upkeep(void *context)
{
    struct world *w = context;
    struct wal_stats stats;
    if (!CHECK_EQ(open_log(w), KDK_OK) ||
        !CHECK_EQ(wal_start_upkeep(w->wal, &w->err), KDK_OK))
        return;
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQ(commit(w, i % WRITERS, 500, 0, &w->err), KDK_OK);
        os_sleep_ns(1000000);
    }
    wal_stats(w->wal, &stats);
    CHECK(stats.segments > 20);
    CHECK_EQ(stats.waited, 1); /* The first one. */
    shut(w);
}

TEST(wal, upkeep_makes_segments_before_they_are_needed)
{
    uint64_t trace = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct world w;
        world_new(&w, 3, 0);
        CHECK(sim_run(w.sim, commit_with_upkeep, &w));
        CHECK(i == 0 || trace == sim_trace_hash(w.sim));
        trace = sim_trace_hash(w.sim);
        CHECK(reopen(&w));
        expect(&w);
        shut(&w);
        world_free(&w);
    }
}

/* Every allocation fails once: clean errors, no leak, nothing lost. */
TEST(wal, survives_failing_allocations)
{
    struct mem_stats before, after;
    uint64_t failed = 1;
    mem_stats(&before);
    for (uint64_t n = 0; failed; n++) {
        struct world w;
        world_new(&w, 4, 0);
        w.each = 4;
        mem_fail_after(n, n % 2);
        kdk_status status = open_log(&w);
        if (status == KDK_OK)
            status = wal_replay(w.wal, replay_one, &w, &w.err);
        for (unsigned i = 0; i < 6 && status == KDK_OK; i++)
            status = commit(&w, 0, 500, i % 2 * 2, &w.err);
        (void)wal_close(w.wal, NULL);
        w.wal = NULL;
        failed = mem_fail_never();
        CHECK(status == KDK_NOMEM || (status == KDK_OK && w.acked[0] == 6));
        sim_reboot(w.sim);
        if (reopen(&w)) {
            expect(&w);
            shut(&w);
        }
        world_free(&w);
    }
    mem_stats(&after);
    CHECK_EQ(after.blocks, before.blocks);
}

/* -------------------------------------------------------------- group commit ---- */

struct crowd {
    struct world *w;
    struct os_thread *threads[16];
};

static void crowd_one(void *context)
{
    struct world *w = context;
    struct err err = {0};
    for (unsigned i = 0; i < 20; i++)
        CHECK_EQ(commit(w, 0, 30, 0, &err), KDK_OK);
}

static void crowd_run(void *context)
{
    struct crowd *crowd = context;
    struct err err = {0};
    CHECK_EQ(open_log(crowd->w), KDK_OK);
    for (unsigned i = 0; i < 16; i++)
        CHECK_EQ(os_thread_new(crowd->w->os, "one", crowd_one, crowd->w, &crowd->threads[i],
                               &err),
                 KDK_OK);
    for (unsigned i = 0; i < 16; i++)
        os_thread_join(crowd->threads[i]);
}

TEST(wal, writers_share_syncs)
{
    struct world w;
    struct wal_stats stats;
    struct crowd crowd = {.w = &w};
    world_new(&w, 9, 0);
    CHECK(sim_run(w.sim, crowd_run, &crowd));
    wal_stats(w.wal, &stats);
    CHECK_EQ(stats.batches, 16 * 20);
    /* Tiny segments hold few groups, and each switch to the next one is a sync more. */
    CHECK(stats.syncs * (KDK_TINY ? 2 : 4) <= stats.batches);
    shut(&w);
    world_free(&w);
}

/* A batch far larger than segments, buffers and windows. */
TEST(wal, large_batches_cross_segments)
{
    struct world w;
    struct wal_batch *batch;
    uint64_t lsn;
    char *text = mem_zalloc(100000);
    world_new(&w, 9, 0);
    CHECK(reopen(&w));
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(wal_batch_new(w.wal, WAL_COMMIT, &batch, &w.err), KDK_OK);
        record_add_index(wal_batch_records(batch), true, 0, 0, 1, text, 100000, false);
        record_add_sequence(wal_batch_records(batch), 0, i + 1);
        CHECK_EQ(wal_reserve(batch, false, &w.err), KDK_OK);
        CHECK_EQ(wal_append(batch, i + 1, &lsn, &w.err), KDK_OK);
        w.appended[0]++;
        w.timestamp++;
        CHECK_EQ(wal_wait(w.wal, lsn, &w.err), KDK_OK);
        w.acked[0]++;
    }
    shut(&w);
    CHECK(reopen(&w));
    expect(&w);
    CHECK_EQ(w.seen_timestamp, 3);
    shut(&w);
    mem_free(text);
    world_free(&w);
}

TEST(wal, ahead_is_there_when_what_follows_is)
{
    struct world w;
    struct wal_batch *batch;
    uint64_t lsn;
    world_new(&w, 9, 0);
    CHECK(reopen(&w));
    for (unsigned i = 1; i <= 5; i++) {
        CHECK_EQ(wal_batch_new(w.wal, WAL_AHEAD, &batch, &w.err), KDK_OK);
        record_add_object_ids(wal_batch_records(batch), i * 100);
        CHECK_EQ(wal_append_ahead(batch, &lsn, &w.err), KDK_OK);
        CHECK_EQ(commit(&w, 0, 10, 0, &w.err), KDK_OK);
    }
    sim_reboot(w.sim);
    (void)wal_close(w.wal, NULL);
    CHECK(reopen(&w));
    CHECK_EQ(w.ahead, 500);
    expect(&w);
    shut(&w);
    world_free(&w);
}

TEST(wal, released_segments_are_used_again)
{
    struct world w;
    struct wal_stats stats;
    world_new(&w, 9, 0);
    CHECK(reopen(&w));
    for (unsigned i = 0; i < 200; i++) {
        CHECK_EQ(commit(&w, i % WRITERS, 700, 0, &w.err), KDK_OK);
        if (i % 16 == 15) {
            w.from_lsn = wal_position(w.wal);
            w.from_timestamp = w.timestamp;
            memcpy(w.from_seen, w.appended, sizeof w.appended);
            CHECK_EQ(wal_release_before(w.wal, w.from_lsn, &w.err), KDK_OK);
        }
    }
    wal_stats(w.wal, &stats);
    CHECK(stats.segments + stats.spares <= 12);
    CHECK(stats.spares >= 1);
    shut(&w);
    CHECK(reopen(&w));
    expect(&w);
    CHECK_EQ(w.seen_timestamp, 200);
    shut(&w);
    world_free(&w);
}

TEST(wal, opening_read_only_writes_nothing)
{
    struct world w;
    world_new(&w, 9, 0);
    CHECK(reopen(&w));
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ(commit(&w, 0, 700, 0, &w.err), KDK_OK);
    sim_reboot(w.sim);
    (void)wal_close(w.wal, NULL);
    struct wal_options options = options_of(&w);
    options.read_only = true;
    uint64_t calls = sim_calls_mutating(w.sim);
    CHECK_EQ(wal_open(&options, &w.wal, &w.report, &w.err), KDK_OK);
    CHECK_EQ(w.report.last_timestamp, 5);
    CHECK_EQ(wal_replay(w.wal, replay_one, &w, &w.err), KDK_OK);
    shut(&w);
    CHECK_EQ(sim_calls_mutating(w.sim), calls);
    world_free(&w);
}

/* ------------------------------------------------------------- real threads ---- */

static void thread_one(void *context)
{
    struct writer *writer = context;
    struct err err = {0};
    for (unsigned i = 0; i < 60; i++) {
        CHECK_EQ(commit(writer->w, writer->number, i * 7, i % 8 == 7 ? 2 : 0, &err),
                 KDK_OK);
        if (i % 16 == 15 && writer->number == 0)
            CHECK_EQ(wal_release_before(writer->w->wal, 0, &err), KDK_OK);
        if (i % 16 == 5)
            CHECK_EQ(wal_vouch(writer->w->wal, &err), KDK_OK);
    }
}

static kdk_status remove_one(void *context, const char *name, struct err *err)
{
    char path[128];
    snprintf(path, sizeof path, "%s/wal/%s", (const char *)context, name);
    return os_remove(os_real(), path, err);
}

TEST(wal, threads_share_the_log)
{
    struct world w = {0};
    struct writer writers[WRITERS];
    char dir[] = "/tmp/kdk_wal_test_XXXXXX", wal_dir[64];
    if (!CHECK(mkdtemp(dir) != NULL))
        return;
    struct wal_options options = {.os = os_real(), .dir = dir, .segment_bytes = SEGMENT};
    latch_init(&w.order, OS_RANK_COMMIT);
    CHECK_EQ(wal_open(&options, &w.wal, &w.report, &w.err), KDK_OK);
    CHECK_EQ(wal_start_upkeep(w.wal, &w.err), KDK_OK);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){&w, i, NULL};
        CHECK_EQ(os_thread_new(os_real(), "writer", thread_one, &writers[i],
                               &writers[i].thread, &w.err),
                 KDK_OK);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        os_thread_join(writers[i].thread);
    shut(&w);
    CHECK_EQ(wal_open(&options, &w.wal, &w.report, &w.err), KDK_OK);
    CHECK_EQ(wal_replay(w.wal, replay_one, &w, &w.err), KDK_OK);
    expect(&w);
    CHECK_EQ(w.seen_timestamp, WRITERS * 60);
    shut(&w);
    snprintf(wal_dir, sizeof wal_dir, "%s/wal", dir);
    CHECK_EQ(os_list(os_real(), wal_dir, remove_one, dir, &w.err), KDK_OK);
    CHECK_EQ(os_remove_dir(os_real(), wal_dir, &w.err), KDK_OK);
    CHECK_EQ(os_remove_dir(os_real(), dir, &w.err), KDK_OK);
}
