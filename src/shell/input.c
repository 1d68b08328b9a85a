/* input.c - bytes from a text, a file, a pipe or a terminal, cut into statements, dot
 * commands and COPY data.
 *
 * Statements are found by kdk_statement_length(), so that the shell's idea of a statement
 * is the database's. A statement is given out as soon as its semicolon is here: nothing is
 * read while a complete one is at hand, and a read never waits for more than it got. Text
 * that has no end yet is searched again only when a new semicolon came, and reads grow with
 * what is pending, so that a long statement costs time in proportion to its length.
 *
 * At the end of the input what is left runs as a statement without its semicolon, as psql
 * does.
 */
#include "shell/shell.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum { READ_BYTES = 1 << 16 };

void input_of_text(struct input *in, const char *name, const char *text, size_t bytes)
{
    *in = (struct input){.name = name, .fd = -1, .line = 1, .at_end = true};
    if (buf_add(&in->text, text, bytes) != KDK_OK)
        in->error = ENOMEM;
}

void input_of_fd(struct input *in, const char *name, int fd)
{
    *in = (struct input){.name = name, .fd = fd, .line = 1};
}

void input_of_terminal(struct input *in, struct terminal *terminal)
{
    *in = (struct input){.fd = -1, .line = 1, .terminal = terminal};
}

void input_deinit(struct input *in)
{
    buf_deinit(&in->text);
    buf_deinit(&in->after);
}

static size_t left(const struct input *in)
{
    return in->text.len - in->at;
}

static const char *start(const struct input *in)
{
    return in->text.data ? in->text.data + in->at : "";
}

static void use(struct input *in, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        in->line += in->text.data[in->at + i] == '\n';
    in->at += bytes;
    in->searched = 0;
}

enum fill { FILLED, FILL_END, FILL_INTERRUPTED, FILL_FAILED };

static void make_room(struct input *in)
{
    if (in->at == in->text.len) {
        buf_clear(&in->text);
        in->at = 0;
    } else if (in->at > READ_BYTES && in->at > in->text.len / 2) {
        size_t rest = left(in);
        memmove(in->text.data, start(in), rest);
        in->text.len = rest;
        in->at = 0;
    }
}

static bool more_is_here(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLIN | POLLHUP));
}

static enum fill fill_from_fd(struct input *in)
{
    size_t want = MAX((size_t)READ_BYTES, left(in)), got = 0;
    do {
        ssize_t n;
        if (buf_reserve(&in->text, READ_BYTES) != KDK_OK) {
            in->error = ENOMEM;
            return FILL_FAILED;
        }
        if (!interrupt_wait(in->fd))
            return got ? FILLED : FILL_INTERRUPTED;
        n = read(in->fd, in->text.data + in->text.len, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            in->error = errno;
            return FILL_FAILED;
        }
        if (n == 0) {
            in->at_end = true;
            return got ? FILLED : FILL_END;
        }
        in->text.len += (size_t)n;
        in->text.data[in->text.len] = '\0';
        got += (size_t)n;
    } while (got < want && more_is_here(in->fd));
    return FILLED;
}

/* Adds at least a byte to in->text, unless this is the end. `prompt` as terminal_line(). */
static enum fill fill(struct input *in, int prompt)
{
    const char *line;
    int n;
    if (in->error)
        return FILL_FAILED;
    if (in->at_end)
        return FILL_END;
    make_room(in);
    if (!in->terminal)
        return fill_from_fd(in);
    n = terminal_line(in->terminal, prompt, &line);
    if (n == 0)
        return FILL_END; /* Ctrl-D; a terminal can go on after it. */
    if (n < 0)
        return FILL_INTERRUPTED;
    if (buf_add(&in->text, line, (size_t)n) != KDK_OK) {
        in->error = ENOMEM;
        return FILL_FAILED;
    }
    return FILLED;
}

bool input_is_fresh(const struct input *in)
{
    return left(in) == 0;
}

/* Steps over blanks, semicolons alone and whole comment lines. False: it needs more text to
 * know. */
static bool skip_blanks(struct input *in)
{
    for (;;) {
        const char *text = start(in);
        size_t n = 0, bytes = left(in);
        while (n < bytes && (isspace((unsigned char)text[n]) || text[n] == ';'))
            n++;
        if (n + 3 <= bytes && memcmp(text + n, "\xef\xbb\xbf", 3) == 0 && in->line == 1 &&
            in->at + n == 0)
            n += 3; /* The byte order mark of a file made elsewhere. */
        if (n) {
            use(in, n);
            continue;
        }
        if (bytes < 2 || text[0] != '-' || text[1] != '-')
            return bytes > 0 && (bytes > 1 || text[0] != '-');
        const char *end = memchr(text, '\n', bytes);
        if (!end && !in->at_end)
            return false;
        use(in, end ? (size_t)(end - text) + 1 : bytes);
    }
}

/* Words that leave or help where a statement could begin, as in psql. */
static bool is_bare_word(const char *text, size_t bytes)
{
    static const char *const words[] = {"quit", "exit", "help"};
    while (bytes && isspace((unsigned char)text[bytes - 1]))
        bytes--;
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strlen(words[i]) == bytes && strncasecmp(words[i], text, bytes) == 0)
            return true;
    return false;
}

static bool is_dot(const struct input *in, const char *text, size_t bytes)
{
    if (bytes < 2)
        return false;
    if (text[0] == '.')
        return isalpha((unsigned char)text[1]);
    if (text[0] == '\\')
        return isalpha((unsigned char)text[1]) || text[1] == '?';
    const char *end = in->terminal ? memchr(text, '\n', bytes) : NULL;
    return end && is_bare_word(text, (size_t)(end - text));
}

enum input_kind input_next(struct input *in, const char **text, size_t *bytes,
                           uint64_t *line)
{
    bool begun = false; /* Is there the start of a statement? */
    for (;;) {
        if (skip_blanks(in)) {
            const char *at = start(in);
            size_t n = left(in);
            *line = in->line;
            begun = true;
            if (is_dot(in, at, n)) {
                const char *end = memchr(at, '\n', n);
                if (end || in->at_end) {
                    *bytes = end ? (size_t)(end - at) : n;
                    use(in, *bytes + (end != NULL));
                    *text = at;
                    return INPUT_DOT;
                }
            } else if (memchr(at + in->searched, ';', n - in->searched)) {
                size_t length = kdk_statement_length(at, n);
                if (length) {
                    *text = at;
                    *bytes = length;
                    use(in, length);
                    return INPUT_STATEMENT;
                }
                in->searched = n;
            } else {
                in->searched = n;
            }
        } else {
            begun = left(in) > 0;
        }
        switch (fill(in, begun)) {
        case FILLED:
            break;
        case FILL_END:
            if (!left(in))
                return INPUT_END;
            if (in->terminal) { /* Ctrl-D within a statement drops it. */
                use(in, left(in));
                return INPUT_END;
            }
            in->at_end = true;
            if (!skip_blanks(in) && !left(in))
                return INPUT_END;
            if (is_dot(in, start(in), left(in)))
                break;
            *line = in->line;
            *text = start(in);
            *bytes = left(in);
            use(in, *bytes);
            return INPUT_STATEMENT;
        case FILL_INTERRUPTED:
            use(in, left(in));
            return INPUT_INTERRUPTED;
        case FILL_FAILED:
            return INPUT_FAILED;
        }
    }
}

/* ------------------------------------------------------------------ COPY data ---- */

/* Data begin on the line after COPY's; what else stands on COPY's line is SQL, and
 * waits. */
static bool data_begin(struct input *in)
{
    const char *end, *at;
    in->data_begun = true;
    in->data_ended = false;
    in->data_line_start = true;
    if (in->data_only)
        return true;
    while (!(end = memchr(start(in), '\n', left(in)))) {
        enum fill filled = fill(in, 2);
        if (filled == FILL_END)
            break;
        if (filled != FILLED)
            return false;
    }
    at = start(in);
    size_t n = end ? (size_t)(end - at) + 1 : left(in);
    for (size_t i = 0; i < n; i++)
        if (!isspace((unsigned char)at[i])) {
            if (buf_add(&in->after, at, n) != KDK_OK)
                return false;
            break;
        }
    use(in, n);
    return true;
}

int64_t input_data(struct input *in, void *into, size_t bytes)
{
    const char *at, *end;
    size_t n;
    if (!in->data_begun && !data_begin(in))
        return -1;
    for (;;) {
        if (in->data_ended || !bytes)
            return 0;
        at = start(in);
        n = left(in);
        /* Three bytes tell a line `\.` from others. */
        bool ends = in->data_line_start && n >= 2 && at[0] == '\\' && at[1] == '.' &&
                    (n == 2 ? in->at_end
                            : at[2] == '\n' ||
                                  (at[2] == '\r' && (n == 3 ? in->at_end : at[3] == '\n')));
        if (ends) {
            end = memchr(at, '\n', n);
            use(in, end ? (size_t)(end - at) + 1 : n);
            in->data_ended = true;
            return 0;
        }
        if (n >= 4 || (n && (in->at_end || !in->data_line_start || at[0] != '\\' ||
                             memchr(at, '\n', n))))
            break;
        switch (fill(in, 2)) {
        case FILLED:
            break;
        case FILL_END:
            in->data_ended = !n;
            in->at_end |= !in->terminal;
            if (in->terminal && n)
                in->data_line_start = false;
            break;
        case FILL_INTERRUPTED:
            in->data_ended = true;
            return -1;
        case FILL_FAILED:
            return -1;
        }
    }
    /* Lines, and what fits of the last one. */
    n = MIN(n, bytes);
    size_t used = 0;
    while (used < n) {
        if (used && in->data_line_start && at[used] == '\\')
            break; /* Perhaps the end: looked at by the next call. */
        end = memchr(at + used, '\n', n - used);
        used = end ? (size_t)(end - at) + 1 : n;
        in->data_line_start = end != NULL;
    }
    memcpy(into, at, used);
    use(in, used);
    return (int64_t)used;
}

void input_data_end(struct input *in)
{
    char sink[4096];
    while (in->data_begun && !in->data_ended && input_data(in, sink, sizeof sink) > 0)
        ;
    in->data_begun = in->data_ended = false;
    if (in->after.len) {
        struct buf joined = {0};
        if (buf_add(&joined, in->after.data, in->after.len) == KDK_OK &&
            buf_add(&joined, start(in), left(in)) == KDK_OK) {
            buf_deinit(&in->text);
            in->text = joined;
            in->at = 0;
            for (size_t i = 0; i < in->after.len;
                 i++) /* It is counted again; what comes behind it is right then. */
                in->line -= in->after.data[i] == '\n';
        } else {
            buf_deinit(&joined);
            in->error = ENOMEM;
        }
        buf_deinit(&in->after);
        memset(&in->after, 0, sizeof in->after);
        in->searched = 0;
    }
}
