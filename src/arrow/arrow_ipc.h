/* arrow_ipc.h - Arrow's IPC formats: the file (also called Feather version 2) and the
 * stream.
 *
 * Both are sequences of messages: a flatbuffer that says what lies where, and a body of
 * buffers. The file adds a footer that lists the messages, so that batches can be read in
 * any order, and columns alone.
 *
 *   stream   schema, then dictionaries and batches in any useful order, then an end mark
 *   file     "ARROW1\0\0", the stream, footer, its length (4 bytes), "ARROW1"
 *   message  ff ff ff ff, metadata length (4 bytes), metadata, padding, body
 *   body     buffers; when compressed each starts with its decoded length (8 bytes), -1:
 *            stored raw
 *
 * Input is hostile until shown otherwise: every offset and length is checked before use,
 * memory asked for is bounded by what the input can hold, and what comes out satisfies A1
 * to A5 of arrow.h. Errors: KDK_CORRUPT names the source and the offset; KDK_UNSUPPORTED
 * for big-endian data, unions, run-end encoding, tensors, metadata before version 4, and
 * Feather version 1.
 *
 * Threads  A reader, a writer: one thread at a time.
 */
#ifndef KDK_ARROW_ARROW_IPC_H
#define KDK_ARROW_ARROW_IPC_H

#include "arrow/arrow.h"

struct os_file;

/* ---- Where bytes come from and go to ---- */

/* Random access. `read` gives all `bytes` or fails; it is never asked for bytes past
 * `bytes`. */
struct arrow_source {
    kdk_status (*read)(void *context, uint64_t offset, void *into, size_t bytes,
                       struct err *err);
    uint64_t bytes;   /* The size of the whole. */
    const char *name; /* For messages; borrowed. */
    void *context;
};
/* Sequential. *got is less than `bytes` only at the end. */
struct arrow_input {
    kdk_status (*read)(void *context, void *into, size_t bytes, size_t *got,
                       struct err *err);
    const char *name;
    void *context;
};
struct arrow_sink {
    kdk_status (*write)(void *context, const void *from, size_t bytes, struct err *err);
    void *context;
};
/* Bytes in memory, borrowed. */
struct arrow_memory {
    const uint8_t *data;
    size_t bytes;
    size_t at; /* Where an input is. */
};
struct arrow_source arrow_source_of_memory(struct arrow_memory *memory, const char *name);
struct arrow_input arrow_input_of_memory(struct arrow_memory *memory, const char *name);
struct arrow_sink arrow_sink_of_buf(struct buf *buf);
/* An open file, borrowed. */
kdk_status arrow_source_of_file(struct os_file *file, struct arrow_source *out,
                                struct err *err) KDK_MUST_CHECK;

/* ---- Codecs of buffers ---- */
enum arrow_codec { ARROW_CODEC_NONE, ARROW_CODEC_LZ4_FRAME, ARROW_CODEC_ZSTD };

/* Decodes exactly `bytes` bytes. KDK_CORRUPT when the payload is not that. */
kdk_status arrow_decode(enum arrow_codec codec, const void *payload, size_t payload_bytes,
                        void *into, size_t bytes, struct err *err) KDK_MUST_CHECK;
/* Appends the encoded bytes (no length prefix). An LZ4 frame is made of independent blocks
 * of at most `block_bytes` (0: 64 KiB, the most), so that one can be decoded alone. `level`
 * 0 is the default. */
kdk_status arrow_encode(enum arrow_codec codec, int level, size_t block_bytes,
                        const void *from, size_t bytes, struct buf *out,
                        struct err *err) KDK_MUST_CHECK;

/* ---- Reading files ---- */
struct arrow_file;

/* Reads and checks the footer. `source` is copied; its context must outlive the file. */
kdk_status arrow_file_open(const struct arrow_source *source, struct arrow_file **out,
                           struct err *err) KDK_MUST_CHECK;
void arrow_file_close(struct arrow_file *file); /* Accepts NULL. */
/* A struct type, with the schema's metadata. Borrowed. */
const struct arrow_schema *arrow_file_schema(const struct arrow_file *file);
/* The footer's custom metadata. Borrowed. */
const struct arrow_metadata *arrow_file_metadata(const struct arrow_file *file);
size_t arrow_file_batch_count(const struct arrow_file *file);
/* Reads batch `index`, as a struct array that the caller unrefs. With `columns`, its
 * children are those top-level columns in that order (the type is then
 * arrow_schema_select()'s), and only their bytes are read. The message's custom metadata
 * are put into *metadata (an empty one, or NULL if not wanted). */
kdk_status arrow_file_read(struct arrow_file *file, size_t index, const uint32_t *columns,
                           size_t column_count, struct arrow_array **out,
                           struct arrow_metadata *metadata, struct err *err) KDK_MUST_CHECK;
/* The values of a dictionary-encoded field of this file's schema (a node inside
 * arrow_file_schema()): all of its batches, deltas applied. The caller unrefs. */
kdk_status arrow_file_dictionary(struct arrow_file *file, const struct arrow_schema *field,
                                 struct arrow_array **out, struct err *err) KDK_MUST_CHECK;

/* Where one buffer of a batch is stored. */
struct arrow_stored {
    uint64_t offset; /* In the source, of the stored bytes, the 8-byte length included. */
    uint64_t stored_bytes;  /* Length prefix included, padding not. 0: an absent buffer. */
    uint64_t decoded_bytes; /* What it holds. */
    enum arrow_codec codec; /* Of the payload; NONE for a raw one. */
    uint32_t
        prefix_bytes; /* 8 in a compressed batch, else 0: the payload begins after it. */
    uint32_t column;  /* Top-level column that it belongs to. */
    uint32_t node;    /* Field node of the batch, counted depth first. */
    uint32_t slot;    /* Buffer number in that node: 0 validity, ... */
    uint32_t crc; /* CRC-32C of the stored bytes. Set by the writer; 0 from the reader. */
};
struct arrow_batch_layout {
    uint64_t offset, bytes; /* The message: prefix, metadata, body. */
    int64_t length;         /* Rows. */
    struct arrow_stored *buffers;
    size_t buffer_count;
    int64_t *node_lengths, *node_null_counts; /* Of each field node. */
    size_t node_count;
};
/* A zeroed struct is an empty layout. */
void arrow_batch_layout_deinit(struct arrow_batch_layout *layout);
/* Where the buffers of batch `index` lie, for callers that read and decode single ones.
 * Lengths are checked to be inside the source; the contents are not looked at (but for the
 * length prefixes). */
kdk_status arrow_file_batch_layout(struct arrow_file *file, size_t index,
                                   struct arrow_batch_layout *out,
                                   struct err *err) KDK_MUST_CHECK;
/* The same for dictionary batches, in the footer's order; *id and *delta may be NULL. */
size_t arrow_file_dictionary_count(const struct arrow_file *file);
kdk_status arrow_file_dictionary_layout(struct arrow_file *file, size_t index, int64_t *id,
                                        bool *delta, struct arrow_batch_layout *out,
                                        struct err *err) KDK_MUST_CHECK;
/* The batches of a file in order, as a stream; the file is borrowed. */
kdk_status arrow_file_stream(struct arrow_file *file, struct arrow_stream **out,
                             struct err *err) KDK_MUST_CHECK;

/* ---- Reading streams ---- */

/* Reads the schema. `input` is copied; its context must outlive the stream. A dictionary
 * may be replaced or extended between batches; batches given out before keep theirs. */
kdk_status arrow_ipc_stream_open(const struct arrow_input *input, struct arrow_stream **out,
                                 struct err *err) KDK_MUST_CHECK;
/* Custom metadata of the message that the last batch came in; borrowed until the next. Only
 * for streams from arrow_ipc_stream_open(). */
const struct arrow_metadata *arrow_ipc_stream_metadata(const struct arrow_stream *stream);

/* ---- Writing ---- */
struct arrow_writer;

struct arrow_writer_options {
    bool file; /* The file format; else the stream. */
    bool
        dictionaries_last; /* File only: write each dictionary once, at close, as it was with the last batch that
                             * had it; earlier ones must be prefixes of it. Readers find it through the footer. */
    bool
        no_deltas; /* Stream: replace a dictionary that grew rather than extend it. File: refuse it. */
};
/* `schema` is a struct type and is copied; `sink` is copied. Writes the schema. */
kdk_status arrow_writer_open(const struct arrow_sink *sink,
                             const struct arrow_schema *schema,
                             const struct arrow_writer_options *options,
                             struct arrow_writer **out, struct err *err) KDK_MUST_CHECK;
struct arrow_batch_options {
    enum arrow_codec
        codec; /* Buffers that it makes less than a fifth smaller are stored raw. */
    int level; /* 0: the codec's default. */
    size_t block_bytes;                    /* LZ4: see arrow_encode(). */
    const struct arrow_metadata *metadata; /* Of the message; borrowed; may be NULL. */
};
/* Writes a batch, a struct array of the writer's schema (any offset), and before it the
 * dictionaries that changed. `layout` (may be NULL; an empty one) tells where its buffers
 * went, with their checksums; the caller deinits. `options` NULL: uncompressed. After a
 * failure only close is allowed. */
kdk_status arrow_writer_batch(struct arrow_writer *writer, const struct arrow_array *batch,
                              const struct arrow_batch_options *options,
                              struct arrow_batch_layout *layout,
                              struct err *err) KDK_MUST_CHECK;
/* With dictionaries_last: writes them now, after the last batch, so that
 * arrow_writer_dictionary() can tell their places before the footer is made. No batch may
 * follow. */
kdk_status arrow_writer_dictionaries(struct arrow_writer *writer,
                                     const struct arrow_batch_options *options,
                                     struct err *err) KDK_MUST_CHECK;
/* Ends it: dictionaries still to be written (with `options`), end mark, footer with
 * `metadata` (may be NULL; files only). Does not free. */
kdk_status arrow_writer_finish(struct arrow_writer *writer,
                               const struct arrow_batch_options *options,
                               const struct arrow_metadata *metadata,
                               struct err *err) KDK_MUST_CHECK;
/* Bytes written so far. */
uint64_t arrow_writer_bytes(const struct arrow_writer *writer);
/* Layouts of the dictionary batches written so far, in the file's order; borrowed. */
const struct arrow_batch_layout *arrow_writer_dictionary(const struct arrow_writer *writer,
                                                         size_t index);
size_t arrow_writer_dictionary_count(const struct arrow_writer *writer);
void arrow_writer_free(struct arrow_writer *writer); /* Accepts NULL. Does not finish. */

#endif
