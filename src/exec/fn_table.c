/* fn_table.c - the bodies by function id, and what all bodies share. */
#include "exec/fn_body.h"

#define BODY_SCALAR(ID)    [FN_##ID] = fn_do_##ID,
#define BODY_AGGREGATE(ID) [FN_##ID] = NULL,
const fn_body fn_bodies[] = {
#define BODY(ID, NAME, KIND, ...) BODY_##KIND(ID)
    FN_LIST(BODY)
#undef BODY
};

bool fn_fail(struct fn_call *call, kdk_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    call->status = err_setv(call->err, status, format, args);
    va_end(args);
    return false;
}

bool fn_fail_nomem(struct fn_call *call)
{
    call->status = err_nomem(call->err);
    return false;
}

bool fn_fail_range(struct fn_call *call, uint8_t type_id)
{
    return fn_fail(call, KDK_OUT_OF_RANGE, "%s out of range", ltype_id_name(type_id));
}

char *fn_text_room(struct fn_call *call, size_t bytes, struct datum *out)
{
    memset(&out->s, 0, sizeof out->s);
    if (bytes > VALUE_BYTES_MAX) {
        fn_fail(call, KDK_LIMIT, "requested length too large");
        return NULL;
    }
    out->s.len = (uint32_t)bytes;
    if (bytes <= STR_INLINE)
        return (char *)&out->s + 4;
    char *room = arena_alloc(call->arena, bytes);
    if (!room)
        fn_fail_nomem(call);
    out->s.data = room;
    return room;
}

void fn_text_done(struct datum *out)
{
    if (out->s.len > STR_INLINE)
        memcpy(out->s.prefix, out->s.data, sizeof out->s.prefix);
}

bool fn_text_copy(struct fn_call *call, const char *text, size_t bytes, struct datum *out)
{
    char *room = fn_text_room(call, bytes, out);
    if (!room)
        return false;
    memcpy(room, text, bytes);
    fn_text_done(out);
    return true;
}

/* A range of letters in pairs (even code upper, odd lower, or the other way round), or at a
 * fixed distance. */
static const struct {
    uint16_t first, last; /* of the upper case ones */
    uint16_t distance;    /* to the lower case; 0: pairs */
} cases[] = {
    {'A', 'Z', 32},     {0xC0, 0xD6, 32},   {0xD8, 0xDE, 32},   {0x100, 0x12E, 0},
    {0x132, 0x136, 0},  {0x139, 0x147, 0},  {0x14A, 0x176, 0},  {0x179, 0x17D, 0},
    {0x386, 0x386, 38}, {0x388, 0x38A, 37}, {0x38C, 0x38C, 64}, {0x38E, 0x38F, 63},
    {0x391, 0x3A1, 32}, {0x3A3, 0x3AB, 32}, {0x400, 0x40F, 80}, {0x410, 0x42F, 32},
    {0x460, 0x480, 0},  {0x48A, 0x4BE, 0},  {0x4C1, 0x4CD, 0},  {0x4D0, 0x52E, 0},
    {0x531, 0x556, 48},
};

uint32_t fn_lower(uint32_t code)
{
    if (code == 0x178)
        return 0xFF;
    for (size_t i = 0; i < COUNT_OF(cases) && code >= cases[i].first; i++) {
        if (code > cases[i].last)
            continue;
        if (cases[i].distance)
            return code + cases[i].distance;
        return code + ((code - cases[i].first) % 2 == 0);
    }
    return code;
}

uint32_t fn_upper(uint32_t code)
{
    if (code == 0xFF)
        return 0x178;
    if (code == 0x3C2) /* final sigma */
        return 0x3A3;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint32_t by = cases[i].distance ? cases[i].distance : 1u;
        if (code < cases[i].first + by || code > cases[i].last + by)
            continue;
        if (cases[i].distance)
            return code - by;
        return code - ((code - cases[i].first) % 2);
    }
    return code;
}
