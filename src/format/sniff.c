/* sniff.c - see sniff.h.
 *
 * A type is taken when every value that is there (not NULL) of the first rows is written in
 * its plain form: what only might be a number stays text, since text loses nothing. So 007
 * (whose zeros would be lost), 12345678901234567890 (which no BIGINT holds) and inf are
 * text. Whole numbers and fractions make DOUBLE, dates and timestamps make TIMESTAMP, any
 * other mixture TEXT.
 */
#include "format/sniff.h"

#include <stdio.h>

#include "base/strmap.h"

enum {
    SEEN_BOOLEAN = 1,
    SEEN_BIGINT = 2,
    SEEN_DOUBLE = 4,
    SEEN_DATE = 8,
    SEEN_TIMESTAMP = 16,
    SEEN_TEXT = 32
};

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(const char *text, size_t bytes, const char *word)
{
    for (size_t i = 0; i < bytes; i++)
        if (!word[i] || (text[i] | 0x20) != word[i])
            return false;
    return !word[bytes];
}

static unsigned number_seen(const char *text, size_t bytes)
{
    const char *at = text, *end = text + bytes;
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    const char *whole = at;
    while (at < end && digit(*at))
        at++;
    size_t digits = (size_t)(at - whole);
    if (digits > 1 && *whole == '0')
        return SEEN_TEXT;
    if (at == end && digits) {
        struct datum d;
        struct err ignored = {0};
        return datum_parse(LTYPE(BIGINT), text, bytes, NULL, &d, &ignored) == KDK_OK
                   ? SEEN_BIGINT
                   : SEEN_TEXT;
    }
    if (at < end && *at == '.') {
        const char *places = ++at;
        while (at < end && digit(*at))
            at++;
        digits += (size_t)(at - places);
    }
    if (!digits)
        return SEEN_TEXT;
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '-' || *at == '+'))
            at++;
        if (at == end)
            return SEEN_TEXT;
        while (at < end && digit(*at))
            at++;
    }
    if (at != end)
        return SEEN_TEXT;
    struct datum d;
    struct err ignored = {0};
    return datum_parse(LTYPE(DOUBLE), text, bytes, NULL, &d, &ignored) == KDK_OK
               ? SEEN_DOUBLE
               : SEEN_TEXT;
}

static unsigned value_seen(const char *text, size_t bytes)
{
    struct datum d;
    struct err ignored = {0};
    if (!bytes)
        return SEEN_TEXT;
    if (is_word(text, bytes, "true") || is_word(text, bytes, "false"))
        return SEEN_BOOLEAN;
    if (bytes >= 10 && text[4] == '-' && text[7] == '-' && digit(text[0]) &&
        digit(text[9])) {
        if (bytes == 10)
            return datum_parse(LTYPE(DATE), text, bytes, NULL, &d, &ignored) == KDK_OK
                       ? SEEN_DATE
                       : SEEN_TEXT;
        /* A zone would be dropped without a word: such a moment stays text. */
        if (bytes < 16 || (text[10] != ' ' && text[10] != 'T') || !digit(text[bytes - 1]))
            return SEEN_TEXT;
        for (size_t i = 11; i < bytes; i++)
            if (!digit(text[i]) && text[i] != ':' && text[i] != '.')
                return SEEN_TEXT;
        return datum_parse(LTYPE(TIMESTAMP), text, bytes, NULL, &d, &ignored) == KDK_OK
                   ? SEEN_TIMESTAMP
                   : SEEN_TEXT;
    }
    return number_seen(text, bytes);
}

static struct ltype type_of(unsigned seen)
{
    if (seen == SEEN_BOOLEAN)
        return LTYPE(BOOLEAN);
    if (seen == SEEN_BIGINT)
        return LTYPE(BIGINT);
    if (seen && !(seen & ~(unsigned)(SEEN_BIGINT | SEEN_DOUBLE)))
        return LTYPE(DOUBLE);
    if (seen == SEEN_DATE)
        return LTYPE(DATE);
    if (seen && !(seen & ~(unsigned)(SEEN_DATE | SEEN_TIMESTAMP)))
        return LTYPE(TIMESTAMP);
    return LTYPE(TEXT);
}

/* Remembers what it reads ahead, so that the delimiter is known before the parser
 * begins. */
struct peek {
    const struct csv_input *input;
    char head[4096];
    size_t at, bytes;
};

static kdk_status peek_read(void *context, void *into, size_t bytes, size_t *got,
                            struct err *err)
{
    struct peek *peek = context;
    size_t n = MIN(bytes, peek->bytes - peek->at);
    if (!n)
        return peek->input->read(peek->input->context, into, bytes, got, err);
    memcpy(into, peek->head + peek->at, n);
    peek->at += n;
    *got = n;
    return KDK_OK;
}

static char delimiter_of(const struct peek *peek)
{
    static const char candidates[] = ",\t;|";
    uint32_t counts[4] = {0}, best = 0;
    bool quoted = false;
    for (size_t i = 0; i < peek->bytes; i++) {
        char c = peek->head[i];
        if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '\n' || c == '\r'))
            break;
        const char *found = !quoted && c ? strchr(candidates, c) : NULL;
        if (found)
            counts[found - candidates]++;
    }
    for (uint32_t i = 1; i < 4; i++)
        if (counts[i] > counts[best])
            best = i;
    return candidates[best];
}

/* Names as the header has them; empty ones get one, and a second of the same name a
 * number. */
static kdk_status header_names(struct csv *csv, struct arena *arena, struct sniffed *out,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    if (csv->field_count > TABLE_COLUMNS_MAX)
        TRY(err_set(err, KDK_TOO_MANY_COLUMNS, "\"%s\" has more than %d columns", csv->path,
                    TABLE_COLUMNS_MAX));
    out->column_count = csv->field_count;
    TRY_MEM(out->columns = ARENA_ARRAY(arena, struct csv_column, out->column_count + 1));
    for (uint32_t i = 0; i < out->column_count; i++) {
        const char *text;
        char *name;
        size_t bytes;
        bool null;
        TRY(csv_value(csv, &csv->fields[i], NULL, &text, &bytes, &null, err));
        TRY_MEM(name = bytes ? arena_strndup(arena, text, bytes)
                             : arena_printf(arena, "column%u", i + 1));
        for (uint32_t again = 1; again;) {
            uint32_t k = 0;
            while (k < i && strcmp(out->columns[k].name, name) != 0)
                k++;
            if (k == i)
                break;
            TRY_MEM(name = arena_printf(arena, "%.*s_%u", (int)bytes, bytes ? text : "",
                                        again++));
        }
        out->columns[i] =
            (struct csv_column){.name = name, .type = LTYPE(TEXT), .slot = UINT32_MAX};
    }
out:
    return status;
}

kdk_status csv_sniff(const struct csv_input *input, const char *path, char delimiter,
                     struct arena *arena, struct sniffed *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct peek peek = {.input = input};
    struct csv csv = {0};
    unsigned *seen;
    bool more;
    size_t got;

    do {
        TRY(input->read(input->context, peek.head + peek.bytes,
                        sizeof peek.head - peek.bytes, &got, err));
        peek.bytes += got;
    } while (got && peek.bytes < sizeof peek.head);
    out->delimiter = delimiter ? delimiter : delimiter_of(&peek);
    const struct csv_options options = {.csv = true,
                                        .delimiter = out->delimiter,
                                        .quote = '"',
                                        .escape = '"',
                                        .null_text = ""};
    TRY(csv_init(&csv, &options, &(struct csv_input){peek_read, &peek}, 0, true, err));
    csv.path = path;
    csv.skip_mark = true;
    TRY(csv_loose(&csv, &more, err));
    if (!more)
        TRY(err_set(err, KDK_BAD_COPY,
                    "\"%s\" is empty: its first line is to name its columns", path));
    TRY(header_names(&csv, arena, out, err));
    TRY_MEM(seen = ARENA_ARRAY(arena, unsigned, out->column_count + 1));
    /* A line that is wrong is for the reader to complain about, if it gets there. */
    for (uint32_t row = 0; row < SNIFF_ROWS; row++) {
        struct err ignored = {0};
        status = csv_loose(&csv, &more, &ignored);
        if (status == KDK_BAD_COPY || status == KDK_BAD_ENCODING ||
            (status == KDK_OK && !more)) {
            status = KDK_OK;
            break;
        }
        if (status != KDK_OK) {
            if (err)
                *err = ignored;
            goto out;
        }
        for (uint32_t i = 0; i < csv.field_count && i < out->column_count; i++) {
            const char *text;
            size_t bytes;
            bool null;
            if (seen[i] & SEEN_TEXT)
                continue;
            TRY(csv_value(&csv, &csv.fields[i], NULL, &text, &bytes, &null, err));
            if (!null)
                seen[i] |= value_seen(text, bytes);
        }
    }
    for (uint32_t i = 0; i < out->column_count; i++)
        out->columns[i].type = type_of(seen[i]);
out:
    csv_deinit(&csv);
    return status;
}
