/* SPDX-License-Identifier: Apache-2.0
 *
 * cert/der: every reader on every item, as deep as items go.
 */
#include <stdint.h>

#include "base/assert.h"
#include "cert/der.h"
#include "cert/sigalg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PENDING_MAX = 256 };

static void
read_body(const struct der_item *item)
{
    char text[1024];
    struct sigalg alg;
    struct str octets;
    uint64_t number;
    int64_t at_s;
    size_t len;
    bool flag;

    if (der_format_oid(item->body, text, sizeof(text), &len) == 0)
        gw_assert(text[len] == 0 && strlen(text) == len);
    if (der_uint(item->body, 1000, &number) == 0)
        gw_assert(number <= 1000);
    (void)!der_time(item->tag, item->body, &at_s);
    (void)!der_bool(item->body, &flag);
    (void)!der_bit_octets(item->body, &octets);
    (void)!sigalg_parse(item->body, &alg);
    sigalg_describe(item->body, text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str pending[PENDING_MAX] = {{(const char *)data, size}};
    size_t count = 1;

    while (count > 0) {
        struct str body = pending[--count];
        struct der in = der_open(body), ext_in = in;
        struct der_extension ext;
        struct der_item item;

        (void)!der_read_extension(&ext_in, &ext);
        while (der_read(&in, &item) == 0) {
            gw_assert(item.whole.ptr >= body.ptr);
            gw_assert(item.whole.ptr + item.whole.len <= body.ptr + body.len);
            gw_assert(item.body.ptr + item.body.len == item.whole.ptr + item.whole.len);
            read_body(&item);
            if ((item.tag & 0x20) != 0 && count < PENDING_MAX)
                pending[count++] = item.body;
        }
    }
    return 0;
}
