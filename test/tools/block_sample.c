/* block_sample.c - block files for other programs to judge, and what they cost.
 *
 *   block_sample write DIR ROWS SEED [none|lz4|zstd]
 *       writes files with a column of every type into DIR, and DIR/rows.txt: the rows as
 *       our reader reads them, one a line, fields separated by tabs ("-" for NULL), row id
 *       first: integers, days, microseconds, decimals without their point; the bits of
 *       floats, and the bytes of strings, in hexadecimal with an x before
 *   block_sample measure FILE.tbl
 *       reads TPC-H's lineitem as text, writes it in strips of 2,048 rows up to STRIP_ROWS
 *       with each codec, and prints sizes and rates by processor time
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "block/block.h"
#include "os/os.h"

static struct err err;

static void die(const char *what)
{
    fprintf(stderr, "%s: %s %s\n", what, err.message, err.detail);
    exit(1);
}
#define OK(CALL)                                                                           \
    do {                                                                                   \
        if ((CALL) != KDK_OK)                                                              \
            die(#CALL);                                                                    \
    } while (0)

struct files {
    uint64_t next, bytes;
    struct strip_entry **entries;
    uint32_t count;
};
static kdk_status next_file(void *context, uint64_t *number, struct err *e)
{
    (void)e;
    *number = ((struct files *)context)->next++;
    return KDK_OK;
}
static kdk_status done(void *context, uint64_t number, uint64_t bytes,
                       struct strip_entry *const *entries, uint32_t count, struct err *e)
{
    struct files *f = context;

    (void)number;
    (void)e;
    f->bytes += bytes;
    f->entries = mem_realloc(f->entries, (f->count + count + 1) * sizeof *f->entries);
    for (uint32_t i = 0; i < count; i++)
        f->entries[f->count++] = strip_entry_ref(entries[i]);
    return KDK_OK;
}

/* ------------------------------------------------------------------ write ---- */

static uint64_t seed;
static uint64_t draw(uint64_t below)
{
    return hash_u64(++seed * 0x9e3779b97f4a7c15ull) % below;
}

static struct datum draw_value(struct ltype type, bool few, struct arena *arena)
{
    struct datum d;
    char text[64];
    int length;

    memset(&d, 0, sizeof d);
    if (draw(6) == 0) {
        d.null = true;
        return d;
    }
    int64_t wide = (int64_t)draw(UINT64_MAX) >> draw(60);
    switch ((enum ltype_id)type.id) {
    case LT_BOOLEAN:
        d.i = (int64_t)draw(2);
        break;
    case LT_TINYINT:
        d.i = (int8_t)wide;
        break;
    case LT_SMALLINT:
        d.i = (int16_t)wide;
        break;
    case LT_INTEGER:
        d.i = (int32_t)wide;
        break;
    case LT_BIGINT:
        d.i = wide;
        break;
    case LT_DATE:
        d.i = (int64_t)draw(200000) - 100000;
        break;
    case LT_TIMESTAMP:
        d.i = (int64_t)draw(UINT64_C(4000000000000000)) - INT64_C(2000000000000000);
        break;
    case LT_NUMERIC:
        d.w = wide % (type.precision == 9 ? 1000000000 : INT64_C(1000000000000000000));
        if (type.precision == 38 && draw(2))
            d.w *= INT64_C(10000000000000000);
        break;
    case LT_REAL:
        d.f = (double)(float)((double)(int32_t)wide / 8);
        break;
    case LT_DOUBLE:
        d.f = draw(10) ? (double)wide / 3 : draw(2) ? -0.0 : __builtin_inf();
        break;
    case LT_TEXT:
    case LT_BYTEA:
        length = few ? snprintf(text, sizeof text, "value %d", (int)draw(12))
                     : snprintf(text, sizeof text,
                                "Gr\xc3\xb6\xc3\x9f"
                                "e %" PRIx64,
                                draw(UINT64_MAX) >> draw(64));
        d.s = str_of(arena_dup(arena, text, sizeof text), draw(15) ? (size_t)length : 0);
        break;
    case LT_UNKNOWN:
    case LT_TIME:
    case LT_TIMESTAMPTZ:
    case LT_UUID:
    case LT_INTERVAL:
    case LT_JSON:
    case LT_LIST:
    case LT_STRUCT:
    case LT_ENUM:
    case LT_COUNT:
        break;
    }
    return d;
}

static void print_wide(FILE *out, int128 value)
{
    char digits[48], *at = digits + sizeof digits - 1;
    bool negative = value < 0;

    *at = 0;
    do {
        int digit = (int)(value % 10);
        *--at = (char)('0' + (digit < 0 ? -digit : digit));
        value /= 10;
    } while (value);
    fprintf(out, "%s%s", negative ? "-" : "", at);
}
static void print_value(FILE *out, struct ltype type, const struct datum *d)
{
    uint64_t bits;

    if (d->null) {
        fputc('-', out);
    } else if (ltype_is_string(type)) {
        fputc('x', out);
        for (size_t i = 0; i < d->s.len; i++)
            fprintf(out, "%02x", (uint8_t)str_data(&d->s)[i]);
    } else if (ltype_is_float(type)) {
        memcpy(&bits, &d->f, sizeof bits);
        fprintf(out, "x%016" PRIx64, bits);
    } else if (type.id == LT_NUMERIC) {
        print_wide(out, d->w);
    } else {
        fprintf(out, "%" PRId64, d->i);
    }
}

static void print_rows(const char *dir, const struct files *files,
                       const struct block_column *columns, uint32_t n)
{
    struct block_cache_options options = {
        .os = os_real(), .dir = dir, .bytes_max = 1 << 28};
    struct block_cache *cache;
    char path[1024];

    snprintf(path, sizeof path, "%s/rows.txt", dir);
    FILE *out = fopen(path, "w");
    if (!out)
        die(path);
    OK(block_cache_new(&options, &cache, &err));
    for (uint32_t e = 0; e < files->count; e++) {
        const struct strip_data *data[32];
        for (uint32_t c = 0; c < n; c++)
            OK(strip_column(cache, files->entries[e], columns[c].number, columns[c].type,
                            columns[c].dict, STRIP_SCAN, &data[c], &err));
        for (uint32_t row = 0; row < files->entries[e]->rows; row++) {
            fprintf(out, "%" PRIu64, strip_entry_id(files->entries[e], row));
            for (uint32_t c = 0; c < n; c++) {
                struct datum d = strip_value(data[c], row);
                fputc('\t', out);
                print_value(out, columns[c].type, &d);
            }
            fputc('\n', out);
        }
        for (uint32_t c = 0; c < n; c++)
            strip_unpin(data[c]);
    }
    fclose(out);
    block_cache_free(cache);
}

static int write_files(const char *dir, uint32_t rows, enum arrow_codec codec)
{
    struct block_column columns[] = {
        {0, LTYPE(BOOLEAN), "bool", NULL},        {1, LTYPE(TINYINT), "tinyint", NULL},
        {2, LTYPE(SMALLINT), "smallint", NULL},   {3, LTYPE(INTEGER), "integer", NULL},
        {5, LTYPE(BIGINT), "bigint", NULL},       {6, LTYPE_NUM(9, 2), "numeric9", NULL},
        {7, LTYPE_NUM(18, 3), "numeric18", NULL}, {8, LTYPE_NUM(38, 4), "numeric38", NULL},
        {9, LTYPE(REAL), "real", NULL},           {10, LTYPE(DOUBLE), "double", NULL},
        {11, LTYPE(TEXT), "text", NULL},          {12, LTYPE(TEXT), "coded", NULL},
        {13, LTYPE(BYTEA), "bytea", NULL},        {14, LTYPE(BYTEA), "coded_bytea", NULL},
        {15, LTYPE(DATE), "date", NULL},          {16, LTYPE(TIMESTAMP), "timestamp", NULL},
    };
    uint32_t n = COUNT_OF(columns);
    struct ltype types[COUNT_OF(columns)];
    struct files files = {.next = 1};
    struct block_writer *writer;
    struct arena arena;
    struct batch batch;
    uint64_t id = 1, ids[BATCH_ROWS];

    arena_init(&arena);
    OK(dict_new(1, LTYPE(TEXT), &columns[11].dict, &err));
    OK(dict_new(2, LTYPE(BYTEA), &columns[13].dict, &err));
    for (uint32_t c = 0; c < n; c++)
        types[c] = columns[c].type;
    struct block_writer_options options = {.os = os_real(),
                                           .dir = dir,
                                           .codec = codec,
                                           .columns = columns,
                                           .column_count = n,
                                           .strip_rows = 1000,
                                           .file_strips = 3,
                                           .next_file = next_file,
                                           .done = done,
                                           .context = &files};
    OK(block_writer_new(&options, &writer, &err));
    while (rows) {
        arena_reset(&arena);
        OK(batch_init(&batch, types, n, &arena, &err));
        uint32_t count = MIN(rows, (uint32_t)BATCH_ROWS);
        for (uint32_t c = 0; c < n; c++)
            for (uint32_t r = 0; r < count; r++) {
                struct datum d = draw_value(types[c], columns[c].dict != NULL, &arena);
                vec_put(&batch.columns[c], r, &d, count);
            }
        for (uint32_t r = 0; r < count; r++)
            ids[r] = id += draw(9) ? 1u : 2u;
        batch_all(&batch, count);
        OK(block_writer_add(writer, ids, &batch, &err));
        rows -= count;
    }
    OK(block_writer_end_file(writer, &err));
    block_writer_free(writer);
    print_rows(dir, &files, columns, n);
    return 0;
}

/* ---------------------------------------------------------------- measure ---- */

static const char *const lineitem_names[] = {
    "orderkey",    "partkey",      "suppkey",    "linenumber", "quantity", "extendedprice",
    "discount",    "tax",          "returnflag", "linestatus", "shipdate", "commitdate",
    "receiptdate", "shipinstruct", "shipmode",   "comment"};
static struct ltype lineitem_type(uint32_t c)
{
    if (c <= 2)
        return LTYPE(BIGINT);
    if (c == 3)
        return LTYPE(INTEGER);
    if (c <= 7)
        return LTYPE_NUM(15, 2);
    if (c >= 10 && c <= 12)
        return LTYPE(DATE);
    return LTYPE(TEXT);
}

struct loaded {
    struct batch *batches;
    uint32_t count, rows;
    uint64_t bytes; /* Of the values, at full width. */
};
static struct loaded lineitem_load(const char *path, struct arena *arena)
{
    struct loaded l = {0};
    struct ltype types[16];
    FILE *file = fopen(path, "r");
    char line[1024];

    if (!file)
        die(path);
    for (uint32_t c = 0; c < 16; c++)
        types[c] = lineitem_type(c);
    l.batches = mem_zalloc(10000 * sizeof *l.batches);
    while (fgets(line, sizeof line, file)) {
        struct batch *b = &l.batches[l.rows / BATCH_ROWS];
        uint32_t r = l.rows % BATCH_ROWS;
        if (r == 0) {
            OK(batch_init(b, types, 16, arena, &err));
            l.count++;
        }
        char *at = line;
        for (uint32_t c = 0; c < 16; c++) {
            char *end = strchr(at, '|');
            struct datum d;
            OK(datum_parse(types[c], at, (size_t)(end - at), arena, &d, &err));
            if (types[c].id == LT_TEXT)
                d.s = str_of(arena_dup(arena, at, (size_t)(end - at)), (size_t)(end - at));
            vec_put(&b->columns[c], r, &d, r + 1);
            l.bytes += types[c].id == LT_TEXT      ? d.s.len + 4
                       : types[c].id == LT_NUMERIC ? 8
                                                   : vwidth_bytes(ltype_width(types[c]));
            at = end + 1;
        }
        l.rows++;
        batch_all(b, r + 1);
    }
    fclose(file);
    return l;
}

/* Of this process on a processor: a busy machine does not count. */
static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int measure(const char *path)
{
    static const char *const names[] = {"none", "lz4", "zstd"};
    struct arena arena;
    char dir[] = "/tmp/block_sample_XXXXXX";

    arena_init(&arena);
    if (!mkdtemp(dir))
        die("mkdtemp");
    struct loaded l = lineitem_load(path, &arena);
    printf("%u rows, %.1f MB as values at full width\n", l.rows, (double)l.bytes / 1e6);
    printf("strip rows  codec   size MB  of raw   encode MB/s   decode MB/s   point read "
           "us (16 columns, cold)   entry bytes\n");
    for (uint32_t strip_rows = 2048; strip_rows <= STRIP_ROWS; strip_rows *= 2)
        for (int codec = 0; codec < 3; codec++) {
            struct files files = {.next = 1};
            struct block_column columns[16];
            struct block_writer *writer;
            struct block_cache *cache;
            uint64_t id = 1, ids[BATCH_ROWS], nulls = 0;
            for (uint32_t c = 0; c < 16; c++) {
                columns[c] =
                    (struct block_column){c, lineitem_type(c), lineitem_names[c], NULL};
                if (columns[c].type.id == LT_TEXT)
                    OK(dict_new(c + 1, columns[c].type, &columns[c].dict, &err));
            }
            struct block_writer_options options = {.os = os_real(),
                                                   .dir = dir,
                                                   .codec = (enum arrow_codec)codec,
                                                   .columns = columns,
                                                   .column_count = 16,
                                                   .strip_rows = strip_rows,
                                                   .next_file = next_file,
                                                   .done = done,
                                                   .context = &files};
            double start = seconds();
            OK(block_writer_new(&options, &writer, &err));
            for (uint32_t b = 0; b < l.count; b++) {
                for (uint32_t r = 0; r < l.batches[b].count; r++)
                    ids[r] = id++;
                OK(block_writer_add(writer, ids, &l.batches[b], &err));
            }
            OK(block_writer_end_file(writer, &err));
            block_writer_free(writer);
            double encode = seconds() - start, decode = 0, point = 0;
            struct block_cache_options cache_options = {
                .os = os_real(), .dir = dir, .bytes_max = 0};
            OK(block_cache_new(&cache_options, &cache, &err));
            for (int round = 0; round < 3; round++) {
                start = seconds();
                for (uint32_t e = 0; e < files.count; e++)
                    for (uint32_t c = 0; c < 16; c++) {
                        const struct strip_data *data;
                        OK(strip_column(cache, files.entries[e], c, columns[c].type,
                                        columns[c].dict, STRIP_SCAN, &data, &err));
                        strip_unpin(data);
                    }
                double took = seconds() - start;
                decode = round == 0 || took < decode ? took : decode;
            }
            enum { POINTS = 500 };
            start = seconds();
            for (int i = 0; i < POINTS; i++)
                for (uint32_t c = 0; c < 16; c++) {
                    const struct strip_data *data;
                    uint32_t e = (uint32_t)(hash_u64((uint64_t)i) % files.count);
                    OK(strip_column(cache, files.entries[e], c, columns[c].type,
                                    columns[c].dict, STRIP_POINT, &data, &err));
                    struct datum d = strip_value(data, 7);
                    nulls += d.null;
                    strip_unpin(data);
                }
            point = (seconds() - start) / POINTS;
            if (nulls)
                die("lineitem has no NULLs");
            struct buf entry = {0};
            OK(strip_entry_encode(files.entries[0], &entry, &err));
            printf("%10u  %-5s %9.1f %7.3f %13.0f %13.0f %18.0f %30zu\n", strip_rows,
                   names[codec], (double)files.bytes / 1e6,
                   (double)files.bytes / (double)l.bytes, (double)l.bytes / 1e6 / encode,
                   (double)l.bytes / 1e6 / decode, point * 1e6, entry.len);
            buf_deinit(&entry);
            block_cache_free(cache);
            for (uint32_t i = 0; i < files.count; i++)
                strip_entry_unref(files.entries[i]);
            for (uint64_t i = 1; i < files.next; i++) {
                char name[1024];
                OK(block_path(dir, i, name, sizeof name, &err));
                OK(os_remove(os_real(), name, &err));
            }
            for (uint32_t c = 0; c < 16; c++)
                dict_free(columns[c].dict);
        }
    OK(os_remove_dir(os_real(), dir, &err));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "write") == 0) {
        seed = (uint64_t)atoll(argv[4]);
        enum arrow_codec codec = argc > 5 && strcmp(argv[5], "none") == 0 ? ARROW_CODEC_NONE
                                 : argc > 5 && strcmp(argv[5], "zstd") == 0
                                     ? ARROW_CODEC_ZSTD
                                     : ARROW_CODEC_LZ4_FRAME;
        return write_files(argv[2], (uint32_t)atoi(argv[3]), codec);
    }
    if (argc == 3 && strcmp(argv[1], "measure") == 0)
        return measure(argv[2]);
    fprintf(stderr, "usage: block_sample write DIR ROWS SEED [CODEC] | measure FILE.tbl\n");
    return 2;
}
