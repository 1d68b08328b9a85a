/* wal.h - the write-ahead log: turns "this transaction committed" into bytes that outlive a
 * power cut.
 *
 * What a transaction changed is encoded (wal/record.h) into a batch; batches that wait at
 * the same moment leave as one flush group, with one write and one sync (group commit). The
 * log is redo only, and physical enough that replay reads no old row, resolves no name and
 * evaluates nothing.
 *
 * The log is one sequence of bytes; an LSN is a position in it. It lies in files of equal
 * size, DIR/wal/<number in hexadecimal>.log, of which number n has the bytes from n times
 * that size on. A segment is written with zeros once and synced, so that later syncs find
 * no metadata to write; one that is no longer needed is renamed and used again (spare-*).
 *
 *   Flush group, at a multiple of WAL_SECTOR; may cross segments. Little-endian.
 *
 *   0       4         6      8        16    24        32       40      48     56      60    64
 *   +-------+---------+------+--------+-----+---------+--------+-------+------+-------+-----+---------- - - -
 *   | magic | version | zero | log id | lsn | durable | length | first | last | count | crc | batches ...    zeros up to a sector
 *   +-------+---------+------+--------+-----+---------+--------+-------+------+-------+-----+---------- - - -
 *
 *   log id   Random, the same in all groups of a log: what a user stored cannot look like a
 *            group.
 *   lsn      Its own position. What a recycled segment held before has another one.
 *   durable  All before this was synced when the group was written: the group vouches for
 *            it.
 *   length   Bytes of all batches. first, last: timestamps of the commits in it, 0 when
 *            there is none.
 *   count    Batches. crc: CRC-32C of bytes 0 to 59 and of the batches.
 *
 *   Batch
 *   0        4      5       6      8             16          24         28      32
 *   +--------+------+-------+------+-------------+-----------+----------+-------+--------- - - -
 *   | length | kind | flags | zero | transaction | timestamp | sequence | parts | records
 *   +--------+------+-------+------+-------------+-----------+----------+-------+--------- - - -
 *
 *   length       Bytes of the records.
 *   transaction  In a PART, and in a COMMIT that has parts: the LSN of the first part,
 *                which nothing else ever has.
 *   sequence     Of a PART: 0, 1, ... parts: in a COMMIT, how many parts came before.
 *
 * Invariants
 *   W1  wal_wait(lsn) returns KDK_OK only after the sync that covers all before `lsn`.
 *   W2  Commits lie in the log in the order of their timestamps, which increase strictly.
 *   W3  There is at most one group that is not synced, the last one. So a bad group is a
 *       torn tail, cut and reported, unless a later group vouches for it: then the log is
 *       damaged, and can be read up to there.
 *   W4  After opening, nothing behind the end looks like a group of this log: what did was
 *       overwritten and synced first.
 *   W5  Space for a batch is there before it gets its place, so that under the commit latch
 *       nothing waits for the disk and nothing fails for want of space.
 *   W6  A segment is used again only after wal_release_before() said so, under a new name
 *       that is durable first.
 * Threads  Any, but for open, replay and close, which are alone. Latch rank WAL; nothing is
 *          held across I/O.
 * Failure  A failed sync poisons the log: whoever waits for what was not durable gets
 *          KDK_IO, and so does every later commit (what a sync failed to write may be gone
 *          for good: Rebello et al., Can Applications Recover from fsync Failures?, ATC
 *          2020). A failed write takes the commits back that were not durable yet, and what
 *          is left is written before anything else is accepted. No space for the next
 *          segment fails wal_reserve() with KDK_FULL and nothing else; the next one tries
 *          again.
 * Limits   Damage to the last group cannot be told from a torn write until a later one
 *          vouches for it: wal_vouch(), wal_close().
 * Cost     One copy of each batch; one write and one sync for each group.
 */
#ifndef KDK_WAL_WAL_H
#define KDK_WAL_WAL_H

#include "base/buf.h"
#include "os/os.h"

struct wal;
struct wal_batch;

#define WAL_SECTOR 512u
/* Records of one batch; a longer one is KDK_LIMIT. */
#define WAL_BATCH_BYTES_MAX (2u << 30)
#define WAL_IDLE_NS         100000000u
/* Who encodes makes a part of what is longer. */
#define WAL_PART_BYTES KDK_PICK(1u << 20, 600u)

enum wal_kind {
    WAL_COMMIT = 1,     /* A transaction, or its last part. */
    WAL_PART = 2,       /* Ahead of a commit; void if that never comes. */
    WAL_AHEAD = 3,      /* Outside any transaction, applied in any case: counters. */
    WAL_CHECKPOINT = 4, /* A note. */
    WAL_VOUCH = 5,      /* Nothing: the group vouches. */
};

struct wal_options {
    struct os *os;
    const char *dir;   /* The database's directory, which exists. Copied. */
    uint64_t from_lsn; /* Where replay begins: 0, or what wal_position() gave. */
    /* Segments from its own on are kept, as a fallback may replay from there: at most
     * from_lsn, and such a position too. */
    uint64_t keep_lsn;
    /* Of a new log; a multiple of WAL_SECTOR. 0: WAL_SEGMENT_BYTES. */
    uint64_t segment_bytes;
    bool read_only;     /* Writes nothing, not even what W4 asks for. */
    bool accept_damage; /* A damaged log is opened read-only up to the last good group. */
};
struct wal_report {
    bool created;          /* There was no log. */
    uint64_t end_lsn;      /* Behind the last good group. */
    uint64_t replay_bytes; /* From from_lsn to there. */
    /* Of a torn group at the end, as far as can be told; 0: none. */
    uint64_t cut_bytes;
    uint64_t last_timestamp; /* Of the commits found, 0: none. */
    /* Damaged at end_lsn, and opened nevertheless; `err` names file and offset. */
    bool damaged;
};
/* Finds the end of the log; makes an empty log if there is none and from_lsn is 0.
 * KDK_CORRUPT: damage before a position that a group vouches for, unless accept_damage:
 * then KDK_OK, with the error's text in `err`. KDK_UNSUPPORTED: a newer format. KDK_IO,
 * KDK_FULL, KDK_NOMEM. */
kdk_status wal_open(const struct wal_options *options, struct wal **out,
                    struct wal_report *report, struct err *err) KDK_MUST_CHECK;
/* Writes what was appended, and a group that vouches for it. Frees also when that fails.
 * Accepts NULL. */
kdk_status wal_close(struct wal *wal, struct err *err);

/* ------------------------------------------------------------------- replay ---- */

/* One batch of a transaction that committed, or one that is outside of any. */
struct wal_replayed {
    enum wal_kind kind;     /* COMMIT, PART, AHEAD or CHECKPOINT. */
    uint64_t lsn;           /* Of the batch. */
    uint64_t timestamp;     /* Of the commit, in its parts too; 0 when outside. */
    uint32_t part, parts;   /* PART: which of how many. COMMIT: part == parts. */
    const uint8_t *records; /* Until the callback returns. */
    size_t bytes;
};
typedef kdk_status (*wal_replay_fn)(void *context, const struct wal_replayed *batch,
                                    struct err *err);
/* From from_lsn to the end, in log order, that is, by timestamps; the parts of a
 * transaction come just before its commit, in order. Before the first append. Stops at the
 * first error of `each`. KDK_CORRUPT, KDK_IO, KDK_NOMEM. */
kdk_status wal_replay(struct wal *wal, wal_replay_fn each, void *context,
                      struct err *err) KDK_MUST_CHECK;

/* ------------------------------------------------------------------ writing ---- */

/* An empty batch, and the buffer to which wal/record.h adds. The caller frees or appends
 * it. */
kdk_status wal_batch_new(struct wal *wal, enum wal_kind kind, struct wal_batch **out,
                         struct err *err) KDK_MUST_CHECK;
struct buf *wal_batch_records(struct wal_batch *batch);
size_t wal_batch_bytes(const struct wal_batch *batch); /* Of its records. */
bool wal_batch_has_parts(const struct wal_batch *batch);
/* Gives back what was reserved. Accepts NULL. */
void wal_batch_free(struct wal_batch *batch);
/* Makes sure of the space that the batch needs, which must not grow after that; may wait
 * for the disk. `urgent`: may use the reserve (what makes room: deletions, checkpoints).
 * KDK_FULL, KDK_IO, KDK_NOMEM, KDK_LIMIT, KDK_READ_ONLY. */
kdk_status wal_reserve(struct wal_batch *batch, bool urgent,
                       struct err *err) KDK_MUST_CHECK;
/* Gives a reserved batch its place, and moves it in; *lsn is what to wait for. Never waits
 * for I/O. Commits come in the order of their timestamps: the caller's latch sees to that.
 * KDK_IO when the log is poisoned: the batch stays the caller's. */
kdk_status wal_append(struct wal_batch *batch, uint64_t timestamp, uint64_t *lsn,
                      struct err *err) KDK_MUST_CHECK;
/* Appends what a COMMIT batch holds so far as a part of it, and empties it. Holds no latch;
 * errors as of wal_reserve(). */
kdk_status wal_part(struct wal_batch *batch, struct err *err) KDK_MUST_CHECK;
/* Reserves and appends a batch that is no commit. Moved in on success. It is durable
 * whenever anything appended later is. */
kdk_status wal_append_ahead(struct wal_batch *batch, uint64_t *lsn,
                            struct err *err) KDK_MUST_CHECK;
/* Returns when the log is durable up to `lsn`; one of those who wait writes for all. */
kdk_status wal_wait(struct wal *wal, uint64_t lsn, struct err *err) KDK_MUST_CHECK;
/* The same for a COMMIT that was appended: once for each. *withdrawn: what could not be
 * written was taken back, so that the commit is not in the log and never will be; KDK_FULL
 * or KDK_IO. Commits are refused likewise by wal_reserve() until it could be written. */
kdk_status wal_wait_commit(struct wal *wal, uint64_t lsn, bool *withdrawn,
                           struct err *err) KDK_MUST_CHECK;
/* Starts a thread, until wal_close(), that makes the next segment while there is still
 * room, so that no commit has to, and vouches for a log that has been idle for WAL_IDLE_NS.
 * Without it commits make segments, and nothing vouches by itself. KDK_NOMEM, KDK_IO. */
kdk_status wal_start_upkeep(struct wal *wal, struct err *err) KDK_MUST_CHECK;
/* Makes all that was appended durable, and vouches for it, if nothing has: for an idle
 * log. */
kdk_status wal_vouch(struct wal *wal, struct err *err) KDK_MUST_CHECK;

/* Where a replay must begin that is to see every commit appended from now on, with its
 * parts; of earlier ones it sees some. Whoever relies on it waits first until the log is
 * durable up to there. */
uint64_t wal_position(struct wal *wal);
uint64_t wal_durable(struct wal *wal);
/* Nothing before `lsn` is needed any more: whole segments are kept for use, or removed. */
kdk_status wal_release_before(struct wal *wal, uint64_t lsn,
                              struct err *err) KDK_MUST_CHECK;

struct wal_stats {
    /* Since opening. syncs: of segments, or writes that are durable by themselves. */
    uint64_t batches, groups, syncs;
    uint64_t bytes;            /* Written, padding included. */
    uint64_t segments, spares; /* Files there are. */
    uint64_t waited;           /* Segments that a commit had to make or wait for. */
};
void wal_stats(struct wal *wal, struct wal_stats *out);

#endif
