/* SPDX-License-Identifier: Apache-2.0
 *
 * gw_assert is on in production and speaks about our own state only; nothing that a
 * peer sends may reach it. Magic tags guard the void * that libraries hand back to us.
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#include "base/base.h"

void assert_failed(const char *expr, const char *file, int line, const char *func) GW_NORETURN;

#define gw_assert(expr) \
    ((void)(likely(expr) || (assert_failed(#expr, __FILE__, __LINE__, __func__), 0)))

/* struct x { uint32_t magic; ... };  x->magic = MAGIC_X at birth, MAGIC_DEAD at the end. */
#define MAGIC_DEAD 0xdeadc0deu
#define MAGIC_CONN 0x434f4e4eu
#define MAGIC_STREAM 0x53545245u
#define MAGIC_UCONN 0x55434f4eu
#define MAGIC_WORKER 0x574f524bu
#define MAGIC_SNAPSHOT 0x534e4150u
#define MAGIC_TLS 0x544c5320u
#define MAGIC_LISTENER 0x4c49534eu

#define magic_check(obj, want) gw_assert((obj) != NULL && (obj)->magic == (want))

#endif
