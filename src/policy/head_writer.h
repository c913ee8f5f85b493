/* SPDX-License-Identifier: Apache-2.0
 *
 * A cursor over the free end of a buf, for writing a message head in one pass. Bytes are
 * copied past the buf's tail and only head_writer_end commits them, so a head that does not
 * fit leaves the buf as it was. After an overflow every further write is a no-op.
 */
#ifndef POLICY_HEAD_WRITER_H
#define POLICY_HEAD_WRITER_H

#include "base/buf.h"

struct head_writer {
    char *at;
    char *end;
    bool overflow;
};

static inline void
head_writer_begin(struct head_writer *w, struct buf *out)
{
    w->at = (char *)buf_tail(out);
    w->end = w->at + buf_room(out);
    w->overflow = false;
}

/* Commits what was written. GW_E_NOSPACE when it did not fit. */
static inline int
head_writer_end(struct head_writer *w, struct buf *out)
{
    if (w->overflow)
        return GW_E_NOSPACE;
    buf_commit(out, (size_t)(w->at - (char *)buf_tail(out)));
    return 0;
}

/* Room for n bytes that the caller writes, or NULL after an overflow. */
static inline char *
head_reserve(struct head_writer *w, size_t n)
{
    char *at = w->at;

    if (unlikely(w->overflow || (size_t)(w->end - at) < n)) {
        w->overflow = true;
        return NULL;
    }
    w->at += n;
    return at;
}

static inline void
head_put(struct head_writer *w, struct str s)
{
    char *at = head_reserve(w, s.len);

    if (likely(at != NULL && s.len > 0))
        memcpy(at, s.ptr, s.len);
}

/* "name: value\r\n" */
static inline void
head_put_field(struct head_writer *w, struct str name, struct str value)
{
    char *at = head_reserve(w, name.len + value.len + 4);

    if (unlikely(at == NULL))
        return;
    if (name.len > 0)
        memcpy(at, name.ptr, name.len);
    at += name.len;
    *at++ = ':';
    *at++ = ' ';
    if (value.len > 0)
        memcpy(at, value.ptr, value.len);
    at += value.len;
    *at++ = '\r';
    *at = '\n';
}

static inline void
head_put_u64(struct head_writer *w, uint64_t n)
{
    char digits[STR_U64_MAX];

    head_put(w, str_make(digits, str_u64(digits, n)));
}

#endif
