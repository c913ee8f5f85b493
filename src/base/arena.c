/* SPDX-License-Identifier: Apache-2.0
 *
 * Bump allocator: one per snapshot, connection and stream, used by the thread that owns
 * that object. Owns its blocks and runs the cleanups registered with it. Must never go
 * past max_bytes: running into it is an answer (NULL), not a crash.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define ARENA_ALIGN 16

struct arena_block {
    struct arena_block *next;
    size_t cap;
    size_t used;
    size_t pad; /* keeps bytes 16-byte aligned */
    uint8_t bytes[];
};

_Static_assert(sizeof(struct arena_block) % ARENA_ALIGN == 0, "blocks start aligned");

void
arena_init(struct arena *a, size_t block_bytes, size_t max_bytes)
{
    gw_assert(block_bytes > 0);
    *a = (struct arena){.block_bytes = block_bytes, .max_bytes = max_bytes};
}

/* A cleanup may register no new one: it runs when its arena is already being emptied. */
static void
run_cleanups(struct arena *a)
{
    while (a->cleanups != NULL) {
        struct arena_cleanup *c = a->cleanups;

        a->cleanups = c->next;
        c->run(c->arg);
    }
}

static void
free_blocks(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *next = block->next;

        free(block);
        block = next;
    }
}

void
arena_done(struct arena *a)
{
    run_cleanups(a);
    free_blocks(a->first);
    *a = (struct arena){0};
}

void
arena_reset(struct arena *a)
{
    run_cleanups(a);
    a->used_bytes = 0;
    a->overflow = false;
    a->last = a->first;
    if (a->first == NULL)
        return;
    free_blocks(a->first->next);
    a->first->next = NULL;
    a->first->used = 0;
    /* A first block made for one large request is not worth keeping. */
    if (a->first->cap > a->block_bytes) {
        free(a->first);
        a->first = NULL;
        a->last = NULL;
    }
}

static struct arena_block *
add_block(struct arena *a, size_t need)
{
    size_t cap = size_max(need, a->block_bytes);
    struct arena_block *block = malloc(sizeof(*block) + cap);

    if (block == NULL)
        return NULL;
    block->next = NULL;
    block->cap = cap;
    block->used = 0;
    if (a->last != NULL)
        a->last->next = block;
    else
        a->first = block;
    a->last = block;
    return block;
}

static void *
overflow(struct arena *a)
{
    a->overflow = true;
    return NULL;
}

void *
arena_alloc(struct arena *a, size_t n)
{
    struct arena_block *block = a->last;
    void *mem;

    if (n > a->max_bytes)
        return overflow(a);
    n = (size_max(n, 1) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (n > a->max_bytes - a->used_bytes)
        return overflow(a);
    if (block == NULL || n > block->cap - block->used)
        block = add_block(a, n);
    if (block == NULL)
        return overflow(a);
    mem = block->bytes + block->used;
    block->used += n;
    a->used_bytes += n;
    return mem;
}

void *
arena_calloc(struct arena *a, size_t count, size_t size)
{
    size_t n;
    void *mem;

    if (__builtin_mul_overflow(count, size, &n))
        return overflow(a);
    mem = arena_alloc(a, n);
    if (mem != NULL)
        memset(mem, 0, n);
    return mem;
}

struct str
arena_str(struct arena *a, struct str s)
{
    char *copy = s.len < SIZE_MAX ? arena_alloc(a, s.len + 1) : overflow(a);

    if (copy == NULL)
        return (struct str){0};
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return (struct str){copy, s.len};
}

struct str
arena_u64(struct arena *a, uint64_t n)
{
    char digits[STR_U64_MAX];

    return arena_str(a, str_make(digits, str_u64(digits, n)));
}

struct str
arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_list again;
    struct str ret = {0};
    char *text;
    int len;

    va_start(args, fmt);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, args);
    text = len >= 0 ? arena_alloc(a, (size_t)len + 1) : overflow(a);
    if (text != NULL) {
        vsnprintf(text, (size_t)len + 1, fmt, again);
        ret = (struct str){text, (size_t)len};
    }
    va_end(again);
    va_end(args);
    return ret;
}

bool
arena_cleanup_add(struct arena *a, void (*run)(void *arg), void *arg)
{
    struct arena_cleanup *c = arena_alloc(a, sizeof(*c));

    if (c == NULL) {
        run(arg);
        return false;
    }
    *c = (struct arena_cleanup){.next = a->cleanups, .run = run, .arg = arg};
    a->cleanups = c;
    return true;
}
