/* err.c - see err.h. */
#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Formats into `into`; what does not fit is cut at a character boundary and ends in
 * "...". */
static void format_cut(char *into, size_t size, const char *format, va_list args)
{
    /* The arguments may lie in the text that is being replaced. */
    char text[ERR_MESSAGE_BYTES];
    int wanted = vsnprintf(text, sizeof text, format, args);
    if (wanted < 0)
        text[0] = '\0';
    size_t length = strlen(text);
    bool cut = wanted >= (int)sizeof text || length >= size;
    if (cut) {
        if (length > size - 4)
            length = size - 4;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
        memcpy(text + length, "...", 4);
        length += 3;
    }
    memcpy(into, text, length + 1);
}

void err_clear(struct err *err)
{
    if (!err)
        return;
    err->status = KDK_OK;
    err->position = 0;
    err->message[0] = err->detail[0] = err->hint[0] = err->chain[0] = '\0';
}

kdk_status err_setv(struct err *err, kdk_status status, const char *format, va_list args)
{
    if (!err)
        return status;
    format_cut(err->message, sizeof err->message, format, args);
    err->status = status;
    err->position = 0;
    err->detail[0] = err->hint[0] = err->chain[0] = '\0';
    return status;
}

kdk_status err_set(struct err *err, kdk_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err_setv(err, status, format, args);
    va_end(args);
    return status;
}

void err_detail(struct err *err, const char *format, ...)
{
    if (!err)
        return;
    va_list args;
    va_start(args, format);
    format_cut(err->detail, sizeof err->detail, format, args);
    va_end(args);
}

void err_hint(struct err *err, const char *format, ...)
{
    if (!err)
        return;
    va_list args;
    va_start(args, format);
    format_cut(err->hint, sizeof err->hint, format, args);
    va_end(args);
}

/* A line that does not fit is left out whole: the inner ones say more. */
void err_while(struct err *err, const char *format, ...)
{
    if (!err)
        return;
    char line[ERR_HINT_BYTES];
    va_list args;
    va_start(args, format);
    format_cut(line, sizeof line, format, args);
    va_end(args);
    size_t used = strlen(err->chain), length = strlen(line);
    if (used + (used > 0) + length + 1 > sizeof err->chain)
        return;
    if (used > 0)
        err->chain[used++] = '\n';
    memcpy(err->chain + used, line, length + 1);
}

void err_at(struct err *err, uint32_t offset)
{
    if (err && err->position == 0 && offset < INT32_MAX)
        err->position = (int32_t)offset + 1;
}

kdk_status err_nomem(struct err *err)
{
    return err_set(err, KDK_NOMEM, "out of memory");
}

static const struct {
    const char *sqlstate, *name, *text;
} statuses[] = {
#define STATUS(NAME, SQLSTATE, TEXT) {SQLSTATE, "KDK_" #NAME, TEXT},
    KDK_STATUS_LIST(STATUS)
#undef STATUS
};

static size_t status_index(kdk_status status)
{
    unsigned index = (unsigned)status;
    return index < KDK_STATUS_COUNT ? index : (unsigned)KDK_INTERNAL;
}

const char *status_sqlstate(kdk_status status)
{
    return statuses[status_index(status)].sqlstate;
}

const char *status_name(kdk_status status)
{
    return statuses[status_index(status)].name;
}

const char *status_text(kdk_status status)
{
    return statuses[status_index(status)].text;
}
