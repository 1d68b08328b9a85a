/* Writing and reading back: every type, codec, format; slices; dictionaries that grow;
 * layouts; damage. */
#include <stdio.h>
#include <stdlib.h>

#include "arrow/arrow_int.h"
#include "arrow/arrow_ipc.h"
#include "arrow/sample_test.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "check.h"
#include "os/os.h"

static const enum arrow_codec codecs[] = {ARROW_CODEC_NONE, ARROW_CODEC_LZ4_FRAME,
                                          ARROW_CODEC_ZSTD};

struct expected {
    const struct arrow_schema *schema;
    struct arrow_array **batches;
    size_t count, seen;
};

static void compare(void *context, const struct arrow_schema *schema,
                    struct arrow_array *batch)
{
    struct expected *want = context;
    struct buf why = {0};

    CHECK(arrow_schema_equal(schema, want->schema));
    if (CHECK(want->seen < want->count) &&
        !CHECK(arrow_array_equal(schema, want->batches[want->seen], batch, &why)))
        fprintf(stderr, "batch %zu: %s\n", want->seen, why.data ? why.data : "");
    want->seen++;
    buf_deinit(&why);
}

static void round_trip(const struct arrow_schema *schema, struct arrow_array **batches,
                       size_t count, const struct arrow_writer_options *options,
                       const struct arrow_batch_options *batch_options)
{
    struct expected want = {schema, batches, count, 0};
    struct buf out = {0};
    struct err err = {0};

    sample_write(schema, batches, count, options, batch_options, &out);
    if (!CHECK_EQ(sample_read(out.data, out.len, options->file, compare, &want, &err),
                  KDK_OK))
        fprintf(stderr, "%s\n", err.message);
    CHECK_EQ(want.seen, count);
    buf_deinit(&out);
}

TEST(arrow_ipc, all_types_and_codecs_survive_file_and_stream)
{
    struct arrow_schema *schema = sample_schema();

    for (size_t c = 0; c < COUNT_OF(codecs); c++)
        for (int file = 0; file < 2; file++) {
            struct arrow_batch_options batch = {.codec = codecs[c]};
            struct arrow_writer_options options = {.file = file};
            struct arrow_array *all = sample_array(schema, 100, 1, 10),
                               *batches[4] = {NULL};
            batches[0] = arrow_array_ref(all);
            batches[1] = sample_array(schema, 0, 2, 10);
            /* Slices write what they show, and nothing else. */
            CHECK_EQ(arrow_array_slice(schema, all, 13, 40, &batches[2], NULL), KDK_OK);
            CHECK_EQ(arrow_array_slice(schema, batches[2], 3, 1, &batches[3], NULL),
                     KDK_OK);
            round_trip(schema, batches, 4, &options, &batch);
            options.dictionaries_last = true;
            round_trip(schema, batches, 4, &options, &batch);
            for (size_t i = 0; i < 4; i++)
                arrow_array_unref(batches[i]);
            arrow_array_unref(all);
        }
    arrow_schema_free(schema);
}

/* Dictionaries are 7-seeded, so the one with more entries extends the other. */
TEST(arrow_ipc, growing_dictionaries_become_deltas_and_changed_ones_replacements)
{
    struct arrow_schema *schema = NULL, *field = NULL;
    struct arrow_array *batches[3];
    struct err err = {0};
    struct arrow_sink sink;
    struct arrow_writer *w = NULL;
    struct buf out = {0};

    CHECK_EQ(arrow_schema_new(ARROW_STRUCT, "", &schema, NULL), KDK_OK);
    schema->nullable = false;
    CHECK_EQ(arrow_schema_add_new(schema, ARROW_INT32, "d", &field, NULL), KDK_OK);
    CHECK_EQ(arrow_schema_new(ARROW_UTF8, "", &field->dictionary, NULL), KDK_OK);
    batches[0] = sample_array(schema, 50, 1, 10);
    batches[1] = sample_array(schema, 50, 2, 30);
    batches[2] =
        sample_array(schema, 50, 3, 20); /* a prefix of what was sent: nothing is */

    sink = arrow_sink_of_buf(&out);
    for (int mode = 0; mode < 5; mode++) {
        const struct arrow_writer_options options = {.file = mode < 3,
                                                     .dictionaries_last = mode == 1,
                                                     .no_deltas = mode == 2 || mode == 4};
        const size_t sent[] = {2, 1, 1, 2, 2};
        buf_clear(&out);
        CHECK_EQ(arrow_writer_open(&sink, schema, &options, &w, &err), KDK_OK);
        CHECK_EQ(arrow_writer_batch(w, batches[0], NULL, NULL, &err), KDK_OK);
        if (mode == 2) { /* It may not grow in a file without deltas. */
            CHECK_EQ(arrow_writer_batch(w, batches[1], NULL, NULL, &err),
                     KDK_BAD_PARAMETER);
            CHECK_EQ(arrow_writer_finish(w, NULL, NULL, &err), KDK_NOT_READY);
        } else {
            CHECK_EQ(arrow_writer_batch(w, batches[1], NULL, NULL, &err), KDK_OK);
            CHECK_EQ(arrow_writer_batch(w, batches[2], NULL, NULL, &err), KDK_OK);
            CHECK_EQ(arrow_writer_finish(w, NULL, NULL, &err), KDK_OK);
        }
        CHECK_EQ(arrow_writer_dictionary_count(w), sent[mode]);
        arrow_writer_free(w);
        if (mode != 2) {
            struct expected want = {schema, batches, 3, 0};
            CHECK_EQ(sample_read(out.data, out.len, options.file, compare, &want, &err),
                     KDK_OK);
            CHECK_EQ(want.seen, 3);
        }
    }

    /* Another dictionary: replaced in a stream, refused in a file. */
    for (int file = 0; file < 2; file++) {
        const struct arrow_writer_options options = {.file = file};
        struct arrow_array *column = batches[2]->children[0];
        struct arrow_array *old = column->dictionary;
        struct expected want = {schema, batches, 3, 0};
        column->dictionary = sample_array(field->dictionary, 20, 99, 1);
        buf_clear(&out);
        CHECK_EQ(arrow_writer_open(&sink, schema, &options, &w, &err), KDK_OK);
        CHECK_EQ(arrow_writer_batch(w, batches[0], NULL, NULL, &err), KDK_OK);
        CHECK_EQ(arrow_writer_batch(w, batches[1], NULL, NULL, &err), KDK_OK);
        CHECK_EQ(arrow_writer_batch(w, batches[2], NULL, NULL, &err),
                 file ? KDK_BAD_PARAMETER : KDK_OK);
        if (!file) {
            CHECK_EQ(arrow_writer_finish(w, NULL, NULL, &err), KDK_OK);
            CHECK_EQ(sample_read(out.data, out.len, false, compare, &want, &err), KDK_OK);
            CHECK_EQ(want.seen, 3);
        }
        arrow_writer_free(w);
        arrow_array_unref(column->dictionary);
        column->dictionary = old;
    }
    for (size_t i = 0; i < 3; i++)
        arrow_array_unref(batches[i]);
    arrow_schema_free(schema);
    buf_deinit(&out);
}

static bool same_place(const struct arrow_stored *a, const struct arrow_stored *b)
{
    return a->offset == b->offset && a->stored_bytes == b->stored_bytes &&
           a->decoded_bytes == b->decoded_bytes && a->codec == b->codec &&
           a->prefix_bytes == b->prefix_bytes && a->column == b->column &&
           a->node == b->node && a->slot == b->slot;
}

TEST(arrow_ipc, layouts_name_every_buffer_as_stored)
{
    struct arrow_schema *schema = sample_schema();
    struct arrow_array *batch = sample_array(schema, 1000, 1, 10);

    for (size_t c = 0; c < COUNT_OF(codecs); c++) {
        const struct arrow_writer_options options = {.file = true};
        struct arrow_metadata metadata = {0}, read = {0};
        const struct arrow_batch_options batch_options = {.codec = codecs[c],
                                                          .metadata = &metadata};
        struct arrow_batch_layout wrote = {0}, got = {0};
        struct buf out = {0};
        struct arrow_sink sink = arrow_sink_of_buf(&out);
        struct arrow_writer *w = NULL;
        struct arrow_memory memory = {0};
        struct arrow_source source;
        struct arrow_file *file = NULL;
        struct arrow_array *again = NULL;
        struct err err = {0};
        size_t raw = 0, packed = 0, dictionaries;
        bool delta = true;
        int64_t id;

        CHECK_EQ(arrow_metadata_add(&metadata, "a", 1, "b", 1, &err), KDK_OK);
        CHECK_EQ(arrow_writer_open(&sink, schema, &options, &w, &err), KDK_OK);
        CHECK_EQ(arrow_writer_batch(w, batch, &batch_options, &wrote, &err), KDK_OK);
        CHECK_EQ(arrow_writer_finish(w, NULL, &metadata, &err), KDK_OK);
        CHECK_EQ(arrow_writer_bytes(w), out.len);
        memory = (struct arrow_memory){(const uint8_t *)out.data, out.len, 0};
        source = arrow_source_of_memory(&memory, "x");
        CHECK_EQ(arrow_file_open(&source, &file, &err), KDK_OK);
        CHECK_STR(arrow_metadata_get(arrow_file_metadata(file), "a", NULL), "b");
        CHECK_EQ(arrow_file_batch_count(file), 1);
        CHECK_EQ(arrow_file_read(file, 0, NULL, 0, &again, &read, &err), KDK_OK);
        CHECK_STR(arrow_metadata_get(&read, "a", NULL), "b");
        arrow_metadata_deinit(&read);
        CHECK_EQ(arrow_file_batch_layout(file, 0, &got, &err), KDK_OK);
        CHECK_EQ(got.offset, wrote.offset);
        CHECK_EQ(got.bytes, wrote.bytes);
        CHECK_EQ(got.length, 1000);
        CHECK_EQ(got.node_count, wrote.node_count);
        if (CHECK_EQ(got.buffer_count, wrote.buffer_count))
            for (size_t i = 0; i < got.buffer_count; i++) {
                const struct arrow_stored *s = &got.buffers[i];
                struct arrow_buffer *decoded = NULL;
                CHECK(same_place(s, &wrote.buffers[i]));
                CHECK_EQ(s->offset % 64, 0);
                CHECK_EQ(crc32c(0, out.data + s->offset, s->stored_bytes),
                         wrote.buffers[i].crc);
                CHECK_EQ(arrow_buffer_new(s->decoded_bytes, &decoded, &err), KDK_OK);
                CHECK_EQ(arrow_decode(s->codec, out.data + s->offset + s->prefix_bytes,
                                      s->stored_bytes - s->prefix_bytes, decoded->data,
                                      s->decoded_bytes, &err),
                         KDK_OK);
                /* Raw unless a fifth is saved. */
                if (s->prefix_bytes && s->codec == ARROW_CODEC_NONE)
                    raw++;
                if (s->codec != ARROW_CODEC_NONE) {
                    packed++;
                    CHECK((s->stored_bytes - 8) * 5 <= s->decoded_bytes * 4);
                }
                arrow_buffer_unref(decoded);
            }
        CHECK_EQ(raw > 0, c > 0);
        CHECK_EQ(packed > 0, c > 0);
        dictionaries = arrow_file_dictionary_count(file);
        CHECK_EQ(dictionaries, 5);
        CHECK_EQ(arrow_writer_dictionary_count(w), dictionaries);
        for (size_t i = 0; i < dictionaries; i++) {
            struct arrow_batch_layout dictionary = {0};
            CHECK_EQ(arrow_file_dictionary_layout(file, i, &id, &delta, &dictionary, &err),
                     KDK_OK);
            CHECK_EQ(id, i);
            CHECK(!delta);
            CHECK_EQ(dictionary.offset, arrow_writer_dictionary(w, i)->offset);
            CHECK_EQ(dictionary.buffer_count, arrow_writer_dictionary(w, i)->buffer_count);
            arrow_batch_layout_deinit(&dictionary);
        }
        arrow_array_unref(again);
        arrow_batch_layout_deinit(&wrote);
        arrow_batch_layout_deinit(&got);
        arrow_metadata_deinit(&metadata);
        arrow_file_close(file);
        arrow_writer_free(w);
        buf_deinit(&out);
    }
    arrow_array_unref(batch);
    arrow_schema_free(schema);
}

TEST(arrow_ipc, selected_columns_are_read_alone_and_in_the_order_asked)
{
    struct arrow_schema *schema = sample_schema(), *chosen = NULL;
    struct arrow_array *batch = sample_array(schema, 64, 5, 10), *got = NULL;
    uint32_t last = (uint32_t)schema->child_count - 2, none = (uint32_t)schema->child_count;

    for (size_t c = 0; c < COUNT_OF(codecs); c++) {
        const struct arrow_writer_options options = {.file = true};
        const struct arrow_batch_options batch_options = {.codec = codecs[c]};
        struct buf out = {0};
        struct arrow_memory memory;
        struct arrow_source source;
        struct arrow_file *file = NULL;
        struct err err = {0};
        sample_write(schema, &batch, 1, &options, &batch_options, &out);
        memory = (struct arrow_memory){(const uint8_t *)out.data, out.len, 0};
        source = arrow_source_of_memory(&memory, "x");
        CHECK_EQ(arrow_file_open(&source, &file, &err), KDK_OK);
        for (uint32_t i = 0; i < schema->child_count; i++) {
            const uint32_t columns[] = {last, i, last};
            CHECK_EQ(arrow_schema_select(schema, columns, 3, &chosen, &err), KDK_OK);
            CHECK_EQ(arrow_file_read(file, 0, columns, 3, &got, NULL, &err), KDK_OK);
            for (size_t k = 0; k < 3; k++)
                CHECK(arrow_array_equal(chosen->children[k], batch->children[columns[k]],
                                        got->children[k], NULL));
            arrow_array_unref(got);
            arrow_schema_free(chosen);
        }
        CHECK_EQ(arrow_file_read(file, 0, &none, 1, &got, NULL, &err), KDK_BAD_PARAMETER);
        CHECK_EQ(arrow_file_read(file, 1, NULL, 0, &got, NULL, &err), KDK_BAD_PARAMETER);
        arrow_file_close(file);
        buf_deinit(&out);
    }
    arrow_array_unref(batch);
    arrow_schema_free(schema);
}

/* Frames of several blocks, and their size; each block stands alone. */
TEST(arrow_ipc, lz4_frames_have_independent_blocks)
{
    size_t bytes = 1 << 20;
    uint8_t *data = mem_zalloc(bytes), *back = mem_zalloc(bytes);

    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i / 64 * 7 + i % 3);
    for (size_t block = 0; block <= 16384; block += 16384) {
        struct buf out = {0};
        size_t at, blocks = 0, want = bytes / (block ? block : 65536);
        CHECK_EQ(arrow_encode(ARROW_CODEC_LZ4_FRAME, 0, block, data, bytes, &out, NULL),
                 KDK_OK);
        CHECK_EQ(arrow_decode(ARROW_CODEC_LZ4_FRAME, out.data, out.len, back, bytes, NULL),
                 KDK_OK);
        CHECK_MEM(back, data, bytes);
        /* Frame descriptor: version 1, independent blocks, content size; blocks of at most
         * 64 KiB. */
        CHECK_EQ((uint8_t)out.data[4] & 0xe8, 0x68);
        CHECK_EQ((uint8_t)out.data[5] >> 4, 4);
        for (at = 15; get_u32(out.data + at) != 0;
             at += 4 + (get_u32(out.data + at) & INT32_MAX))
            blocks++;
        CHECK_EQ(blocks, want);
        CHECK_EQ(at + 4, out.len);
        buf_deinit(&out);
    }
    mem_free(data);
    mem_free(back);
}

/* ---- Damage ---- */

/* Looks at everything a later reader would; the sanitizers watch. */
static void visit(void *context, const struct arrow_schema *schema,
                  struct arrow_array *batch)
{
    uint64_t *sum = context;

    for (size_t i = 0; i < schema->child_count; i++)
        *sum += arrow_array_equal(schema->children[i], batch->children[i],
                                  batch->children[i], NULL);
}

static void small_data(struct buf *out, bool file, enum arrow_codec codec)
{
    const struct arrow_writer_options options = {.file = file};
    const struct arrow_batch_options batch_options = {.codec = codec};
    /* One column of each kind, so that the whole is a few thousand bytes. */
    static const uint32_t columns[] = {
        ARROW_NULL,          ARROW_BOOL, ARROW_INT32,           ARROW_UTF8,
        ARROW_UTF8_VIEW,     ARROW_LIST, ARROW_LARGE_LIST_VIEW, ARROW_FIXED_SIZE_LIST,
        ARROW_STRUCT,        ARROW_MAP,  ARROW_TYPE_COUNT + 1,  ARROW_TYPE_COUNT + 3,
        ARROW_TYPE_COUNT + 4};
    struct arrow_schema *all = sample_schema(), *schema = NULL;
    struct arrow_array *batch;

    CHECK_EQ(arrow_schema_select(all, columns, COUNT_OF(columns), &schema, NULL), KDK_OK);
    batch = sample_array(schema, 7, 3, 4);
    sample_write(schema, &batch, 1, &options, &batch_options, out);
    arrow_array_unref(batch);
    arrow_schema_free(schema);
    arrow_schema_free(all);
}

TEST(arrow_ipc, flipped_bytes_are_refused_or_give_sound_arrays)
{
    /* Files raw and LZ4, a stream with ZSTD: every piece of code once, and this is the
     * slowest test. */
    for (size_t c = 0; c < COUNT_OF(codecs); c++) {
        bool file = codecs[c] != ARROW_CODEC_ZSTD;
        struct buf out = {0};
        size_t refused = 0;
        uint64_t sum = 0;
        small_data(&out, file, codecs[c]);
        for (size_t i = 0; i < out.len; i++) {
            static const uint8_t masks[] = {0xff, 0x01, 0x80};
            uint8_t was = (uint8_t)out.data[i];
            /* A copy of exactly this size, so that a read past its end is seen. */
            uint8_t *copy = mem_dup(out.data, out.len);
            struct err err = {0};
            copy[i] = was ^ masks[(i + c) % 3];
            if (sample_read(copy, out.len, file, visit, &sum, &err) != KDK_OK) {
                refused++;
                CHECK(err.status == KDK_CORRUPT || err.status == KDK_UNSUPPORTED ||
                      err.status == KDK_TOO_COMPLEX);
                if (err.status == KDK_CORRUPT)
                    CHECK(strstr(err.message, "\"memory\" at offset") != NULL);
            }
            mem_free(copy);
        }
        CHECK(refused > out.len / 20);
        buf_deinit(&out);
    }
}

TEST(arrow_ipc, truncated_data_are_refused)
{
    for (int file = 0; file < 2; file++) {
        struct buf out = {0};
        size_t accepted = 0;
        uint64_t sum = 0;
        small_data(&out, file, ARROW_CODEC_ZSTD);
        for (size_t i = 0; i < out.len; i++) {
            uint8_t *copy = mem_dup(out.data, i);
            struct err err = {0};
            if (sample_read(copy, i, file, visit, &sum, &err) == KDK_OK)
                accepted++;
            else
                CHECK_EQ(err.status, KDK_CORRUPT);
            mem_free(copy);
        }
        /* A stream may end without its end mark, after any of its messages: schema, 4
         * dictionaries, batch. */
        CHECK_EQ(accepted, file ? 0 : 6);
        buf_deinit(&out);
    }
}

/* 8-byte words of the metadata replaced by hostile numbers. */
TEST(arrow_ipc, hostile_lengths_are_refused_without_taking_memory)
{
    static const uint64_t numbers[] = {INT64_MAX, 1ull << 40, 0x7fffffff};
    struct mem_stats before, after;
    struct buf out = {0};
    uint64_t sum = 0;

    small_data(&out, true, ARROW_CODEC_NONE);
    mem_stats(&before);
    for (size_t n = 0; n < COUNT_OF(numbers); n++)
        for (size_t i = 0; i + 8 <= out.len; i += 8) {
            uint8_t *copy = mem_dup(out.data, out.len);
            struct err err = {0};
            put_u64(copy + i, numbers[n]);
            if (sample_read(copy, out.len, true, visit, &sum, &err) != KDK_OK)
                CHECK(err.status != KDK_NOMEM && err.status != KDK_INTERNAL);
            mem_free(copy);
        }
    mem_stats(&after);
    CHECK_EQ(after.bytes, before.bytes);
    CHECK(after.bytes_peak < 64 << 20);
    buf_deinit(&out);
}

/* Every allocation of writing and reading fails in turn: always a clean KDK_NOMEM, and
 * nothing leaks. */
TEST(arrow_ipc, failed_allocations_are_clean)
{
    struct arrow_schema *schema = sample_schema();
    struct arrow_array *batch = sample_array(schema, 9, 3, 4);

    for (int file = 0; file < 2; file++) {
        struct mem_stats before, after;
        kdk_status status = KDK_NOMEM;
        mem_stats(&before);
        for (uint64_t n = 0; status != KDK_OK; n++) {
            const struct arrow_writer_options options = {.file = file};
            const struct arrow_batch_options batch_options = {.codec = ARROW_CODEC_ZSTD};
            struct buf out = {0};
            struct arrow_sink sink = arrow_sink_of_buf(&out);
            struct arrow_writer *w = NULL;
            struct err err = {0};
            uint64_t sum = 0;
            mem_fail_after(n, false);
            status = arrow_writer_open(&sink, schema, &options, &w, &err);
            if (status == KDK_OK)
                status = arrow_writer_batch(w, batch, &batch_options, NULL, &err);
            if (status == KDK_OK)
                status = arrow_writer_finish(w, NULL, NULL, &err);
            arrow_writer_free(w);
            if (status == KDK_OK)
                status = sample_read(out.data, out.len, file, visit, &sum, &err);
            mem_fail_never();
            CHECK(status == KDK_OK || status == KDK_NOMEM);
            buf_deinit(&out);
            if (n > 100000)
                break;
        }
        mem_stats(&after);
        CHECK_EQ(after.blocks, before.blocks);
    }
    arrow_array_unref(batch);
    arrow_schema_free(schema);
}

/* What is no Arrow file of today says so. */
TEST(arrow_ipc, foreign_formats_are_named)
{
    struct err err = {0};

    CHECK_EQ(
        sample_read("FEA1................................FEA1", 40, true, NULL, NULL, &err),
        KDK_UNSUPPORTED);
    CHECK_EQ(
        sample_read("PAR1................................PAR1", 40, true, NULL, NULL, &err),
        KDK_CORRUPT);
    CHECK(strstr(err.message, "does not begin as an Arrow file") != NULL);
    CHECK_EQ(sample_read("", 0, true, NULL, NULL, &err), KDK_CORRUPT);
    CHECK_EQ(sample_read("", 0, false, NULL, NULL, &err), KDK_CORRUPT);
}

TEST(arrow_ipc, files_of_the_system_are_sources)
{
    const char *path = KDK_SOURCE_DIR "/test/data/arrow/generated_primitive.arrow_file";
    struct os_file *opened = NULL;
    struct arrow_source source;
    struct arrow_file *file = NULL;
    struct arrow_array *batch = NULL;
    struct err err = {0};

    if (!CHECK_EQ(os_open(os_real(), path, OS_READ, &opened, &err), KDK_OK))
        return;
    CHECK_EQ(arrow_source_of_file(opened, &source, &err), KDK_OK);
    CHECK_EQ(arrow_file_open(&source, &file, &err), KDK_OK);
    CHECK_EQ(arrow_file_read(file, 0, NULL, 0, &batch, NULL, &err), KDK_OK);
    CHECK_EQ(batch->length, 17);
    arrow_array_unref(batch);
    arrow_file_close(file);
    os_close(opened);
}

TEST(arrow_ipc, messages_of_streams_carry_metadata)
{
    struct arrow_schema *schema = NULL;
    struct arrow_array *batch, *got = NULL;
    struct arrow_metadata metadata = {0};
    const struct arrow_batch_options with = {.metadata = &metadata};
    struct arrow_stream *stream = NULL;
    struct arrow_writer *w = NULL;
    struct arrow_memory memory = {0};
    struct arrow_input input;
    struct buf out = {0};
    struct arrow_sink sink = arrow_sink_of_buf(&out);
    struct err err = {0};

    CHECK_EQ(arrow_schema_new(ARROW_STRUCT, "", &schema, &err), KDK_OK);
    schema->nullable = false;
    CHECK_EQ(arrow_schema_add_new(schema, ARROW_DATE32, "d", NULL, &err), KDK_OK);
    CHECK_EQ(arrow_metadata_add(&metadata, "key", 3, "value", 5, &err), KDK_OK);
    batch = sample_array(schema, 5, 1, 1);
    CHECK_EQ(arrow_writer_open(&sink, schema, NULL, &w, &err), KDK_OK);
    CHECK_EQ(arrow_writer_batch(w, batch, &with, NULL, &err), KDK_OK);
    CHECK_EQ(arrow_writer_batch(w, batch, NULL, NULL, &err), KDK_OK);
    CHECK_EQ(arrow_writer_finish(w, NULL, NULL, &err), KDK_OK);
    CHECK_EQ(arrow_writer_batch(w, batch, NULL, NULL, &err), KDK_NOT_READY);
    memory = (struct arrow_memory){(const uint8_t *)out.data, out.len, 0};
    input = arrow_input_of_memory(&memory, "s");
    CHECK_EQ(arrow_ipc_stream_open(&input, &stream, &err), KDK_OK);
    CHECK_EQ(stream->next(stream, &got, &err), KDK_OK);
    CHECK_STR(arrow_metadata_get(arrow_ipc_stream_metadata(stream), "key", NULL), "value");
    arrow_array_unref(got);
    CHECK_EQ(stream->next(stream, &got, &err), KDK_OK);
    CHECK_EQ(arrow_ipc_stream_metadata(stream)->count, 0);
    arrow_array_unref(got);
    CHECK_EQ(stream->next(stream, &got, &err), KDK_OK);
    CHECK(!got);
    arrow_stream_close(stream);
    arrow_writer_free(w);
    arrow_array_unref(batch);
    arrow_metadata_deinit(&metadata);
    arrow_schema_free(schema);
    buf_deinit(&out);
}

/* No columns at all still tells how many rows there are. */
TEST(arrow_ipc, a_batch_can_be_read_for_its_length_alone)
{
    struct buf out = {0};
    struct arrow_memory memory;
    struct arrow_source source;
    struct arrow_file *file = NULL;
    struct arrow_array *got = NULL;
    struct err err = {0};
    const uint32_t none = 0;

    small_data(&out, true, ARROW_CODEC_LZ4_FRAME);
    memory = (struct arrow_memory){(const uint8_t *)out.data, out.len, 0};
    source = arrow_source_of_memory(&memory, "x");
    CHECK_EQ(arrow_file_open(&source, &file, &err), KDK_OK);
    CHECK_EQ(arrow_file_read(file, 0, &none, 0, &got, NULL, &err), KDK_OK);
    CHECK_EQ(got->length, 7);
    CHECK_EQ(got->child_count, 0);
    arrow_array_unref(got);
    arrow_file_close(file);
    buf_deinit(&out);
}
