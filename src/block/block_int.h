/* block_int.h - what the files of block share. */
#ifndef KDK_BLOCK_BLOCK_INT_H
#define KDK_BLOCK_BLOCK_INT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "block/block.h"

#define BLOCK_FORMAT     1u
#define BLOCK_KEY        "kodiak."
#define BLOCK_PATH_BYTES 1024

/* How a type lies in a file. False: not supported at rest. */
bool block_form(struct ltype type, enum strip_form *form);
/* Bytes of a value in `data` or in the values buffer; 0 for bits and text. */
uint32_t block_form_bytes(enum strip_form form);
/* Whether what lies in `stored` can be read as a column of `type`: its own form, or a
 * narrower integer. */
bool block_form_fits(enum strip_form stored, struct ltype type);
/* Number of buffers: 2, or 3 for text. */
static inline uint32_t block_form_buffers(enum strip_form form)
{
    return form == STRIP_TEXT ? 3 : 2;
}

/* The coder of entries: one description of the fields makes both encodings (compact and
 * text) and both decoders. */
enum coder_mode { CODER_WRITE, CODER_WRITE_TEXT, CODER_READ, CODER_READ_TEXT };
struct coder {
    enum coder_mode mode;
    struct buf *out;  /* Writing. */
    struct cursor in; /* Reading. */
    bool bad;         /* Reading: nonsense was met. Sticky. */
};
static inline bool coder_reads(const struct coder *c)
{
    return c->mode == CODER_READ || c->mode == CODER_READ_TEXT;
}
void code_u64(struct coder *c, const char *label, uint64_t *value);
void code_i128(struct coder *c, const char *label, int128 *value);
/* Up to `max` bytes at `bytes`; *count is how many. */
void code_bytes(struct coder *c, const char *label, uint8_t *bytes, uint32_t *count,
                uint32_t max);

/* An entry being made: growable, owned; strip_entry_new() copies it into one block. */
struct strip_draft {
    struct strip_entry head; /* runs and columns NULL */
    struct strip_run *runs;
    struct strip_column *columns;
    uint32_t run_cap;
};
void strip_draft_deinit(struct strip_draft *draft);
kdk_status strip_draft_id(struct strip_draft *draft, uint64_t id,
                          struct err *err) KDK_MUST_CHECK;
kdk_status strip_entry_new(const struct strip_draft *draft, struct strip_entry **out,
                           struct err *err) KDK_MUST_CHECK;
kdk_status strip_entry_print(const struct strip_entry *entry, struct buf *out,
                             struct err *err) KDK_MUST_CHECK;
kdk_status strip_entry_parse(const char *text, size_t count, struct strip_entry **out,
                             struct err *err) KDK_MUST_CHECK;
/* Same in all that the file knows; says what differs. */
bool strip_entry_equal(const struct strip_entry *a, const struct strip_entry *b);

/* Makes the zone and the sketch of values as stored: `data` is bits, values or offsets
 * (then `text`); codes of `dict`. */
struct zone_source {
    struct ltype type;
    enum strip_form form;
    uint32_t rows;
    const uint64_t *validity;
    const void *data;
    const char *text;
    const struct dict *dict;
};
void zone_build(const struct zone_source *source, struct zone *zone, struct sketch *sketch);
/* Codes of `count` strings: those that are in the dictionary. Others get -1; *missing is
 * how many did. */
void dict_find_many(struct dict *dict, const uint32_t *offsets, const char *text,
                    const uint64_t *validity, uint32_t count, int32_t *codes,
                    uint32_t *missing);

/* Reads and verifies buffers (b[0..count)) that lie next to one another; into[i] gets
 * decoded bytes, room for them is the caller's. `what` names them in messages. */
struct decode_counts;
kdk_status block_buffers_read(struct os_file *file, const struct strip_buffer *b,
                              uint32_t count, void *const *into, const char *what,
                              struct decode_counts *counts, struct err *err) KDK_MUST_CHECK;
/* Reads, verifies and decodes the buffers of a column; out->pins is 1. Without `narrow`, in
 * the width as stored. Counters are added to what `counts` has. */
struct decode_counts {
    uint64_t buffers, bytes_read, bytes_decoded;
};
kdk_status strip_decode(struct os_file *file, const struct strip_entry *entry,
                        const struct strip_column *column, struct ltype type,
                        struct dict *dict, bool narrow, struct strip_data **out,
                        struct decode_counts *counts, struct err *err) KDK_MUST_CHECK;
void strip_data_free(struct strip_data *data);
/* KDK_CORRUPT unless the column as stored can be read as this type, with this
 * dictionary. */
kdk_status strip_fits(const struct strip_entry *entry, const struct strip_column *column,
                      struct ltype type, const struct dict *dict,
                      struct err *err) KDK_MUST_CHECK;

/* Copies `rows` sign-extended integers from width to width (narrower or wider). False: some
 * valid value does not fit. */
bool narrow_copy(enum vwidth to, void *out, enum vwidth from, const void *in,
                 uint32_t rows);
/* Least and greatest of the valid integers; false if there are none. */
bool strip_bounds(enum vwidth width, const void *data, const uint64_t *validity,
                  uint32_t rows, int128 *lo, int128 *hi);
enum vwidth block_form_width(enum strip_form form);

/* Texts in metadata. Parsing gives false on nonsense (and for NULL). */
kdk_status block_type_print(struct ltype type, struct buf *out,
                            struct err *err) KDK_MUST_CHECK;
bool block_type_parse(const char *text, struct ltype *out);
bool block_number_parse(const char *text, uint64_t max, uint64_t *out);
/* The Arrow field of a column in a form. */
kdk_status block_field(const struct block_column *column, enum strip_form form,
                       struct arrow_schema **out, struct err *err) KDK_MUST_CHECK;
/* What kodiak.crc says: over fields and all other metadata. */
uint32_t block_metadata_crc(const struct arrow_schema *schema,
                            const struct arrow_metadata *metadata);
/* A dictionary in the footer: how many entries, and the places of its three buffers. */
struct block_dictionary {
    uint64_t entries;
    struct strip_buffer buffers[3];
};
void code_dictionary(struct coder *c, struct block_dictionary *dictionary);

#endif
