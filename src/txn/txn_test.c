/* txn_test.c - snapshots, the order of commits with a log that can fail, hooks, waits,
 * guards. */
#include "txn/txn.h"

#include "base/hash.h"
#include "base/mem.h"
#include "check.h"
#include "os/sim.h"

/* A part that writes down what happens to it. */
struct probe {
    struct txn_part part;
    struct probe_log {
        _Atomic uint32_t stamped, rolled_back, tidied, freed;
        uint64_t timestamp;
        kdk_status check;
    } * log;
};

static kdk_status probe_check(struct txn_part *part, struct txn *txn, struct err *err)
{
    (void)txn;
    kdk_status status = ((struct probe *)part)->log->check;
    return status == KDK_OK ? KDK_OK : err_set(err, status, "the part says no");
}
static void probe_stamp(struct txn_part *part, uint64_t timestamp)
{
    ((struct probe *)part)->log->timestamp = timestamp;
    atomic_fetch_add(&((struct probe *)part)->log->stamped, 1);
}
static void probe_rollback(struct txn_part *part)
{
    atomic_fetch_add(&((struct probe *)part)->log->rolled_back, 1);
}
static void probe_tidy(struct txn_part *part)
{
    atomic_fetch_add(&((struct probe *)part)->log->tidied, 1);
}
static void probe_free(struct txn_part *part)
{
    atomic_fetch_add(&((struct probe *)part)->log->freed, 1);
    mem_free(part);
}
static const struct txn_part_ops probe_ops = {probe_check, probe_stamp, probe_rollback,
                                              probe_tidy, probe_free};

static struct txn *start(struct txnman *man, struct probe_log *log)
{
    struct txn *txn = NULL;
    struct err err = {0};
    CHECK_EQ(txn_begin(man, TXN_SNAPSHOT, false, &txn, &err), KDK_OK);
    txn_statement_begin(txn);
    if (log) {
        struct probe *probe = MEM_NEW(struct probe);
        probe->part.ops = &probe_ops;
        probe->part.key = log;
        probe->log = log;
        txn_part_add(txn, &probe->part);
        CHECK(txn_part_find(txn, log) == &probe->part);
        CHECK(txn_part_find(txn, man) == NULL);
    }
    return txn;
}

static struct txnman *manager(void)
{
    struct txnman *man = NULL;
    struct err err = {0};
    CHECK_EQ(txnman_new(os_here(), 100, &man, &err), KDK_OK);
    return man;
}

TEST(txn, snapshots_hold_back_what_is_tidied)
{
    struct txnman *man = manager();
    struct err err = {0};
    struct probe_log a = {0}, b = {0};
    struct txn *reader = start(man, NULL);
    CHECK_EQ(reader->snapshot, 100);
    CHECK_EQ(txn_commit(start(man, &a), &err), KDK_OK);
    CHECK_EQ(a.timestamp, 101);
    CHECK_EQ(txnman_published(man), 101);
    CHECK_EQ(txnman_oldest(man), 100);
    CHECK_EQ(txnman_reclaim(man), 1);
    CHECK_EQ(a.tidied, 0);
    struct txn *later = start(man, NULL);
    CHECK_EQ(later->snapshot, 101);
    CHECK_EQ(txn_commit(reader, &err), KDK_OK);
    CHECK_EQ(txnman_oldest(man), 101);
    txn_enter(man);
    txnman_reclaim(man);
    CHECK_EQ(a.tidied, 1);
    txnman_reclaim(man);
    CHECK_EQ(a.freed, 0); /* The guard. */
    txn_leave(man);
    CHECK_EQ(txnman_reclaim(man), 0);
    CHECK_EQ(a.freed, 1);
    CHECK_EQ(txnman_active(man), 1);
    txn_rollback(later);
    txn_rollback(start(man, &b));
    CHECK_EQ(b.rolled_back, 1);
    CHECK_EQ(b.stamped + b.tidied, 0);
    CHECK_EQ(txnman_reclaim(man), 0);
    CHECK_EQ(b.freed, 1);
    CHECK_EQ(txnman_published(man), 101);
    txnman_free(man);
}

TEST(txn, what_each_statement_sees)
{
    struct txnman *man = manager();
    struct txn *txn = start(man, NULL);
    txn_statement_begin(txn);
    CHECK_EQ(txn->command, 2);
    CHECK(txn_sees(txn, 100, 0) && !txn_sees(txn, 101, 0));
    CHECK(txn_sees(txn, txn->number | TXN_UNCOMMITTED, 1));
    CHECK(!txn_sees(txn, txn->number | TXN_UNCOMMITTED, 2));
    CHECK(!txn_sees(txn, (txn->number + TXN_SLOTS) | TXN_UNCOMMITTED, 1));
    txn_rollback(txn);
    txnman_free(man);
}

static void order_hook(void *context, uint64_t timestamp)
{
    uint64_t *order = context;
    order[++order[0]] = timestamp;
}

TEST(txn, hooks_run_in_order_and_before_anybody_sees)
{
    struct txnman *man = manager();
    struct err err = {0};
    uint64_t order[8] = {0};
    struct txn *txn = start(man, NULL);
    CHECK_EQ(txn_on_end(txn, order_hook, NULL, order, &err), KDK_OK);
    CHECK_EQ(txn_on_end(txn, NULL, order_hook, order, &err), KDK_OK);
    CHECK_EQ(txn_commit(txn, &err), KDK_OK);
    CHECK_EQ(order[0], 1);
    CHECK_EQ(order[1], 101);
    txn = start(man, NULL);
    CHECK_EQ(txn_on_end(txn, order_hook, order_hook, order, &err), KDK_OK);
    txn->failed = true;
    CHECK_EQ(txn_commit(txn, &err), KDK_IN_FAILED_TXN);
    CHECK_EQ(order[0], 2);
    CHECK_EQ(order[2], 0);
    CHECK_EQ(txnman_published(man), 101);
    txnman_free(man);
}

/* A log that writes down the order of timestamps and fails on demand. */
struct fake_log {
    kdk_status encode, append, wait;
    bool withdraws; /* What fails while it is waited for was taken back. */
    uint64_t timestamps[64];
    uint32_t count, batches;
};
static kdk_status fake_encode(void *context, struct txn *txn, void **batch, struct err *err)
{
    struct fake_log *log = context;
    (void)txn;
    if (log->encode)
        return err_set(err, log->encode, "no encoding");
    *batch = log;
    log->batches++;
    return KDK_OK;
}
static kdk_status fake_append(void *context, void *batch, uint64_t timestamp, uint64_t *lsn,
                              struct err *err)
{
    struct fake_log *log = batch;
    CHECK(context == log);
    if (log->append)
        return err_set(err, log->append, "no room");
    log->timestamps[log->count++] = timestamp;
    log->batches--; /* Moved in. */
    *lsn = timestamp * 10;
    return KDK_OK;
}
static kdk_status fake_wait(void *context, uint64_t lsn, bool *withdrawn, struct err *err)
{
    struct fake_log *log = context;
    CHECK_EQ(lsn % 10, 0);
    *withdrawn = log->wait && log->withdraws;
    return log->wait ? err_set(err, log->wait, "no flush") : KDK_OK;
}
static void fake_discard(void *context, void *batch)
{
    CHECK(context == batch);
    ((struct fake_log *)batch)->batches--;
}

TEST(txn, a_failing_log)
{
    struct txnman *man = manager();
    struct err err = {0};
    struct fake_log log = {0};
    struct probe_log p = {0};
    txnman_set_log(
        man, &(struct txn_log){&log, fake_encode, fake_append, fake_wait, fake_discard});
    CHECK_EQ(txn_commit(start(man, &p), &err), KDK_OK);
    p.check = KDK_UNIQUE;
    CHECK_EQ(txn_commit(start(man, &p), &err), KDK_UNIQUE);
    p.check = KDK_OK;
    log.encode = KDK_NOMEM;
    CHECK_EQ(txn_commit(start(man, &p), &err), KDK_NOMEM);
    log.encode = KDK_OK;
    log.append = KDK_FULL;
    CHECK_EQ(txn_commit(start(man, &p), &err), KDK_FULL);
    CHECK_EQ(p.rolled_back, 3);
    CHECK_EQ(p.stamped, 1);
    log.append = KDK_OK; /* Room again: no timestamp was lost. */
    CHECK_EQ(txn_commit(start(man, &p), &err), KDK_OK);
    CHECK_EQ(log.count, 2);
    CHECK_EQ(log.timestamps[1], 102);
    CHECK_EQ(txnman_published(man), 102);
    /* Taken back: rolled back, its timestamp is used up, and life goes on. */
    log.wait = KDK_FULL;
    log.withdraws = true;
    CHECK_EQ(txn_commit(start(man, &p), &err), KDK_FULL);
    CHECK_EQ(p.rolled_back, 4);
    CHECK_EQ(p.stamped, 2);
    CHECK_EQ(txnman_published(man), 103);
    CHECK(!txnman_read_only(man));
    log.wait = KDK_OK;
    log.withdraws = false;
    CHECK_EQ(txn_commit(start(man, &p), &err), KDK_OK);
    CHECK_EQ(txnman_published(man), 104);
    /* A failed flush: neither published nor rolled back, and no more writes. */
    struct txn *waiting = start(man, &p);
    log.wait = KDK_IO;
    CHECK_EQ(txn_commit(start(man, &p), &err), KDK_IO);
    CHECK_EQ(txnman_published(man), 104);
    CHECK_EQ(p.rolled_back, 4);
    log.wait = KDK_OK;
    CHECK_EQ(txn_commit(waiting, &err), KDK_READ_ONLY);
    CHECK(txnman_read_only(man) != NULL);
    CHECK(!txnman_wait(man, (struct txn_conflict){.timestamp = 105}, OS_FOREVER));
    struct txn *reader = start(man, NULL);
    CHECK_EQ(reader->snapshot, 104);
    CHECK_EQ(txn_commit(reader, &err), KDK_OK);
    CHECK_EQ(log.batches, 0);
    txnman_free(man);
    CHECK_EQ(p.freed, 9);
}

TEST(txn, as_many_as_there_are_slots)
{
    struct txnman *man = manager();
    struct err err = {0};
    static struct txn *all[TXN_SLOTS];
    struct txn *one_more;
    for (uint32_t i = 0; i < TXN_SLOTS; i++)
        all[i] = start(man, NULL);
    CHECK_EQ(txnman_active(man), TXN_SLOTS);
    CHECK_EQ(txn_begin(man, TXN_SNAPSHOT, false, &one_more, &err), KDK_LIMIT);
    uint64_t number = all[17]->number;
    txn_rollback(all[17]);
    all[17] = start(man, NULL);
    CHECK(all[17]->number != number);
    CHECK(txnman_wait(man, (struct txn_conflict){.number = number}, OS_FOREVER));
    CHECK(!txnman_wait(man, (struct txn_conflict){.number = all[17]->number}, 1000));
    for (uint32_t i = 0; i < TXN_SLOTS; i++)
        txn_rollback(all[i]);
    txnman_free(man);
}

struct later {
    struct txn_garbage garbage;
    uint32_t freed;
};
static void later_free(struct txn_garbage *garbage)
{
    ((struct later *)garbage)->freed++;
}

TEST(txn, garbage_waits_for_guards_and_snapshots)
{
    struct txnman *man = manager();
    struct err err = {0};
    struct later now = {.garbage.free = later_free}, at = {.garbage.free = later_free};
    struct probe_log p = {0};
    struct txn *old = start(man, NULL);
    CHECK_EQ(txn_commit(start(man, &p), &err), KDK_OK);
    txn_enter(man);
    txn_enter(man);
    txn_retire(man, &now.garbage);
    txn_retire_at(man, &at.garbage, 101);
    txn_leave(man);
    txnman_reclaim(man);
    CHECK_EQ(now.freed + at.freed, 0);
    txn_leave(man);
    txnman_reclaim(man);
    CHECK_EQ(now.freed, 1);
    CHECK_EQ(at.freed, 0);
    txn_rollback(old);
    CHECK_EQ(txnman_reclaim(man), 0);
    CHECK_EQ(at.freed, 1);
    CHECK_EQ(p.tidied, 1);
    txnman_free(man);
}

/* Threads commit, read and wait for one another. What a reader holds at its snapshot is
 * never tidied before it ends. */
struct crowd {
    struct txnman *man;
    struct probe_log log;
    _Atomic uint64_t last;   /* Newest timestamp that was tidied. */
    _Atomic uint64_t hooked; /* Newest timestamp whose hook ran. */
    uint32_t rounds;
};
struct member {
    struct crowd *crowd;
    uint64_t random;
};
struct crowd_part {
    struct txn_part part;
    struct crowd *crowd;
};
static void crowd_stamp(struct txn_part *part, uint64_t timestamp)
{
    (void)part;
    (void)timestamp;
}
static void crowd_nothing(struct txn_part *part)
{
    (void)part;
}
static void crowd_tidy(struct txn_part *part)
{
    struct crowd *crowd = ((struct crowd_part *)part)->crowd;
    CHECK(atomic_load(&crowd->last) < part->timestamp); /* In order. */
    atomic_store(&crowd->last, part->timestamp);
}
static void crowd_free(struct txn_part *part)
{
    mem_free(part);
}
static const struct txn_part_ops crowd_ops = {NULL, crowd_stamp, crowd_nothing, crowd_tidy,
                                              crowd_free};

/* Hooks come in the order of timestamps, before anybody sees what they did. */
static void crowd_hook(void *context, uint64_t timestamp)
{
    struct crowd *crowd = context;
    CHECK(atomic_load(&crowd->hooked) < timestamp);
    CHECK(txnman_published(crowd->man) == timestamp - 1);
    os_yield();
    atomic_store(&crowd->hooked, timestamp);
}

static void member_run(void *context)
{
    struct member *m = context;
    struct crowd *crowd = m->crowd;
    for (uint32_t k = 0; k < crowd->rounds; k++) {
        struct err err = {0};
        struct txn *txn = start(crowd->man, NULL);
        uint64_t r = hash_u64(m->random += 0x9e3779b97f4a7c15ull);
        if (r % 3) {
            struct crowd_part *part = MEM_NEW(struct crowd_part);
            part->part.ops = &crowd_ops;
            part->part.key = crowd;
            part->crowd = crowd;
            txn_part_add(txn, &part->part);
        }
        if (r % 3 && r % 2)
            CHECK_EQ(txn_on_end(txn, crowd_hook, NULL, crowd, &err), KDK_OK);
        CHECK(atomic_load(&crowd->last) <= txn->snapshot);
        if (r % 4 == 0)
            os_yield();
        CHECK(atomic_load(&crowd->last) <= txn->snapshot);
        if (r % 7 == 0) {
            txn_rollback(txn);
            continue;
        }
        CHECK_EQ(txn_commit(txn, &err), KDK_OK);
        if (r % 5 == 0) {
            uint64_t published = txnman_published(crowd->man);
            CHECK(txnman_wait(crowd->man, (struct txn_conflict){.timestamp = published},
                              OS_FOREVER));
        }
    }
}

static void crowd_run(void *context)
{
    struct crowd *crowd = context;
    struct member members[6];
    struct os_thread *threads[6];
    struct err err = {0};
    crowd->man = manager();
    atomic_store(&crowd->last, 0);
    atomic_store(&crowd->hooked, 0);
    for (uint32_t i = 0; i < 6; i++) {
        members[i] = (struct member){crowd, i + 1};
        CHECK_EQ(
            os_thread_new(os_here(), "crowd", member_run, &members[i], &threads[i], &err),
            KDK_OK);
    }
    for (uint32_t i = 0; i < 6; i++)
        os_thread_join(threads[i]);
    CHECK_EQ(txnman_reclaim(crowd->man), 0);
    CHECK_EQ(atomic_load(&crowd->last), txnman_published(crowd->man));
    txnman_free(crowd->man);
}

TEST(txn, a_crowd)
{
    static struct crowd crowd;
    crowd.rounds = 3000;
    crowd_run(&crowd);
}

TEST(txn, a_crowd_in_every_schedule)
{
    static struct crowd crowd;
    crowd.rounds = 20;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct sim *sim = NULL;
        struct err err = {0};
        if (!CHECK_EQ(sim_new(&(struct sim_options){.seed = seed}, &sim, &err), KDK_OK))
            return;
        CHECK(sim_run(sim, crowd_run, &crowd));
        sim_free(sim);
    }
}
