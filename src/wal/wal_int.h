/* wal_int.h - what the files of wal share: the layout of groups and batches, segments, the
 * open log. */
#ifndef KDK_WAL_WAL_INT_H
#define KDK_WAL_WAL_INT_H

#include "wal/wal.h"

#define GROUP_MAGIC   0x574b444bu /* "KDKW" */
#define GROUP_VERSION 1u
#define GROUP_BYTES   64u
#define GROUP_CRC_AT  60u
#define BATCH_BYTES   32u

/* X(offset, name, type) */
#define GROUP_FIELDS(FIELD)                                                                \
    FIELD(0, magic, u32)                                                                   \
    FIELD(4, version, u16)                                                                 \
    FIELD(6, zero, u16)                                                                    \
    FIELD(8, log_id, u64)                                                                  \
    FIELD(16, lsn, u64)                                                                    \
    FIELD(24, durable, u64)                                                                \
    FIELD(32, length, u64)                                                                 \
    FIELD(40, first, u64)                                                                  \
    FIELD(48, last, u64)                                                                   \
    FIELD(56, count, u32)                                                                  \
    FIELD(GROUP_CRC_AT, crc, u32)

#define BATCH_FIELDS(FIELD)                                                                \
    FIELD(0, length, u32)                                                                  \
    FIELD(4, kind, u8)                                                                     \
    FIELD(5, flags, u8)                                                                    \
    FIELD(6, zero, u16)                                                                    \
    FIELD(8, transaction, u64)                                                             \
    FIELD(16, timestamp, u64)                                                              \
    FIELD(24, sequence, u32)                                                               \
    FIELD(28, parts, u32)

typedef uint8_t wal_u8;
typedef uint16_t wal_u16;
typedef uint32_t wal_u32;
typedef uint64_t wal_u64;
#define FIELD(OFFSET, NAME, TYPE) wal_##TYPE NAME;
struct group_header {
    GROUP_FIELDS(FIELD)
};
struct batch_header {
    BATCH_FIELDS(FIELD)
};
#undef FIELD
void group_header_put(const struct group_header *header, uint8_t *bytes);
void group_header_get(struct group_header *header, const uint8_t *bytes);
void batch_header_put(const struct batch_header *header, uint8_t *bytes);
void batch_header_get(struct batch_header *header, const uint8_t *bytes);
bool batch_header_sane(const struct batch_header *header);

struct wal_batch {
    struct wal *wal;
    struct wal_batch *next; /* Of a group, in log order. */
    /* Of those that have parts in the log and no commit yet. */
    struct wal_batch *older, *newer;
    struct batch_header header;
    struct buf bytes;        /* Room for the header, then the records. */
    uint64_t reserved;       /* 0: not yet. */
    struct wal_batch *whole; /* Of a part: what it is a part of, until it has its place. */
    uint64_t parts_from;     /* The group of its first part. */
    bool listed;
};

/* The number follows from the place in the array. */
struct segment {
    struct os_file *file; /* NULL: there is no such file (only while reading). */
    uint64_t bytes;       /* Its size. */
};

/* Where a batch that is a part was found. */
struct part_found {
    uint64_t transaction, lsn;
    uint32_t sequence;
};

/* What is written at once. */
struct group {
    struct wal_batch *head;
    uint64_t base, end; /* Where it lies; where its last batch ends. */
    bool substance;     /* It has more than vouching. */
};

struct wal {
    struct os *os;
    char *dir; /* DIR/wal */
    bool read_only;
    uint64_t log_id;
    uint64_t segment_bytes;      /* A multiple of WAL_SECTOR. */
    uint64_t from_lsn, keep_lsn; /* Of the options. */
    uint8_t *stage; /* Of who writes. STAGE_BYTES, at a multiple of STAGE_ALIGN in: */
    void *stage_room;
    struct chore *upkeep; /* Or NULL. */

    struct latch latch;  /* Guards all below, but for replay's. */
    struct cond changed; /* Some group became durable, or the log grew, or failed. */
    bool writing;        /* Somebody writes a group. */
    bool growing;        /* Somebody makes a segment, or renames some. */
    kdk_status failed;   /* Poisoned. */

    struct segment *segments;
    uint64_t first_segment; /* Number of segments[0]. */
    size_t segment_count, segment_cap;
    uint64_t spares[8]; /* Numbers in the names of files kept for use. */
    size_t spare_count;

    /* Of the group that is being filled: base is where it will lie, end where its last
     * batch ends (base: it is empty). */
    uint64_t base, end;
    struct wal_batch *head, **tail;
    bool substance; /* It has more than vouching. */
    /* A group that could not be written, and goes before that one; its commits are void,
     * and so were those behind it, up to withdrawn_to. Each of these is waited for by
     * somebody: until he was told, nothing more becomes durable. */
    struct group stuck;
    uint64_t withdrawn_to, withdrawn_left;
    struct err stuck_why;
    uint64_t durable;
    uint64_t promised; /* Bytes reserved and not yet appended. */
    /* After making a segment in time failed: not before this much is used. */
    uint64_t grow_again;
    uint64_t last_timestamp;
    uint64_t wants_vouch; /* End of the last group with substance; */
    uint64_t vouched;     /* the durable position that the last group on disk names. */
    bool watched;         /* The upkeep looks after a while whether the log is idle; */
    /* where the log ended when it looked last and that was new, and when. */
    uint64_t watched_end, watched_ns;
    /* The last group, if it does nothing but vouch for all before it; 0, 0: it does
     * more. */
    uint64_t quiet, quiet_end;
    struct wal_batch *parted; /* Batches with parts, oldest first. */
    struct wal_batch *parted_last;
    struct wal_stats stats;

    /* Replay: parts, sorted by transaction and sequence. */
    struct part_found *parts;
    size_t part_count, part_cap;
};

#define STAGE_BYTES ((size_t)KDK_PICK(1u << 20, 1024u)) /* A multiple of WAL_SECTOR. */
#define STAGE_ALIGN 4096u
/* Who reserves beyond it writes first. */
#define PENDING_BYTES ((uint64_t)KDK_PICK(16u << 20, 8192u))
/* Kept free for urgent batches. */
#define RESERVE_BYTES(WAL) ((WAL)->segment_bytes / 4)
#define SPARES_MAX         4u

static inline uint64_t sector_up(uint64_t lsn)
{
    return (lsn + WAL_SECTOR - 1) / WAL_SECTOR * WAL_SECTOR;
}
void group_free(struct wal_batch *head);
/* Files, in segment.c. */
kdk_status segments_open(struct wal *wal, bool *none, struct err *err);
void segments_close(struct wal *wal);
/* Behind the last byte there is a file for. */
static inline uint64_t segments_end(const struct wal *wal)
{
    return (wal->first_segment + wal->segment_count) * wal->segment_bytes;
}
/* Makes one more segment; alone (`growing`), without the latch. */
kdk_status segment_add(struct wal *wal, struct err *err);
/* Segments from that of `lsn` on have their full size. */
kdk_status segments_fill(struct wal *wal, uint64_t lsn, struct err *err);
/* Writes and syncs what may cross segments. `from`, `bytes`: multiples of WAL_SECTOR.
 * segment_write_durable(): of one segment. */
kdk_status segments_write(struct wal *wal, uint64_t lsn, const void *bytes, size_t count,
                          struct err *err);
kdk_status segments_sync(struct wal *wal, uint64_t lsn, uint64_t end, uint64_t *syncs,
                         struct err *err);
kdk_status segment_write_durable(struct wal *wal, uint64_t lsn, const void *bytes,
                                 size_t count, bool *unwritten, struct err *err);
/* Reads what is there; what is in no file reads as zero. */
kdk_status segments_read(struct wal *wal, uint64_t lsn, void *into, size_t count,
                         struct err *err);
/* "DIR/wal/<number>.log" and the offset in it. */
uint64_t segment_place(const struct wal *wal, uint64_t lsn, char *path, size_t bytes);

#endif
