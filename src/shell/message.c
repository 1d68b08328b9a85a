/* message.c - errors as people read them: state, message, line, caret. */
#include "shell/shell.h"

#include <string.h>

#include "base/utf8.h"

/* Characters of a long line that are shown before and after the place. */
enum { SHOWN_BEFORE = 50, SHOWN_AFTER = 40 };

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* The line with its number, and below it spaces up to the column. A tab stays a tab in both
 * lines, so that they stay aligned whatever a tab is worth. */
static void print_place(FILE *to, const struct message *m, const char *sql, size_t bytes)
{
    const char *end = sql + bytes, *at = sql, *place, *from, *until;
    char label[32];
    size_t count = 0;

    for (uint32_t line = 1; line < m->line && at < end; at++)
        line += *at == '\n';
    until = memchr(at, '\n', (size_t)(end - at));
    if (!until)
        until = end;
    if (until > at && until[-1] == '\r')
        until--;
    place = at;
    for (uint32_t c = 1; c < m->column && place < until; c++)
        for (place++; place < until && ((unsigned char)*place & 0xc0) == 0x80;)
            place++;
    for (from = place; from > at && count < SHOWN_BEFORE;
         count += ((unsigned char)*from & 0xc0) != 0x80)
        from--;
    while (from > at && ((unsigned char)*from & 0xc0) == 0x80)
        from--;
    count = 0;
    const char *last = place;
    for (; last < until && count < SHOWN_AFTER; count++)
        for (last++; last < until && ((unsigned char)*last & 0xc0) == 0x80;)
            last++;

    snprintf(label, sizeof label, "LINE %u: %s", m->line, from > at ? "..." : "");
    fputs(label, to);
    for (const char *p = from; p < last; p++)
        fputc(is_control(*p) ? ' ' : *p, to);
    fprintf(to, "%s\n%*s", last < until ? "..." : "", (int)strlen(label), "");
    for (const char *p = from; p < place;) {
        size_t length = 1;
        while (p + length < place && ((unsigned char)p[length] & 0xc0) == 0x80)
            length++;
        if (*p == '\t')
            fputc('\t', to);
        else
            fprintf(to, "%*s", (int)display_width(p, length), "");
        p += length;
    }
    fputs("^\n", to);
}

static void print_lines(FILE *to, const char *label, const char *text)
{
    while (text && *text) {
        size_t n = strcspn(text, "\n");
        fprintf(to, "%s: %.*s\n", label, (int)n, text);
        text += n + (text[n] == '\n');
    }
}

void message_print(FILE *to, const struct message *m, const char *sql, size_t bytes)
{
    fprintf(to, "%s %s: %s\n", m->severity, m->sqlstate, m->text);
    if (m->line && sql)
        print_place(to, m, sql, bytes);
    print_lines(to, "DETAIL", m->detail);
    print_lines(to, "HINT", m->hint);
    print_lines(to, "CONTEXT", m->context);
    fflush(to);
}
