/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_header_parse: any bytes; whatever is accepted lies inside the input and is in order,
 * and every shorter prefix asks for more or fails.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_accepted(const struct proxy_header *h)
{
    char text[ADDR_TEXT_MAX];

    gw_assert(memchr(h->vpce_id, 0, sizeof(h->vpce_id)) != NULL);
    if (h->is_local)
        return;
    gw_assert(addr_format(&h->source, text) > 3);
    gw_assert(addr_format(&h->destination, text) > 3);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header h;
    size_t len = 0;
    int rc = proxy_header_parse(str_make(data, size), &h, &len);

    if (rc < 0)
        return 0;
    gw_assert(len > 0 && len <= size && len <= PROXY_HEADER_MAX);
    check_accepted(&h);
    for (size_t cut = 0; cut < len; cut++)
        gw_assert(proxy_header_parse(str_make(data, cut), &h, &(size_t){0}) == GW_E_AGAIN);
    return 0;
}
