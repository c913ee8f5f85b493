/* SPDX-License-Identifier: Apache-2.0
 *
 * cert/pem: pem_parse, with a buffer of its own and in place. Both must hand out the same
 * objects and agree on whether the text is whole.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/diag.h"
#include "cert/pem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t sum; /* of all bytes and places */
    size_t count;
};

static int
on_object(void *arg, struct str der, int line)
{
    struct seen *s = arg;

    for (size_t i = 0; i < der.len; i++)
        s->sum = s->sum * 31 + (uint8_t)der.ptr[i];
    s->sum = s->sum * 31 + (uint64_t)line;
    s->count++;
    return 0;
}

static int
parse(const uint8_t *data, size_t size, bool in_place, struct seen *ret)
{
    char *text = malloc(size + 1);
    struct pem_input in = {.file = "fuzz", .label = "CERTIFICATE", .destroys_text = in_place};
    struct diag diag;
    int err;

    memcpy(text, data, size);
    in.text = str_make(text, size);
    diag_init(&diag);
    err = pem_parse(&in, on_object, ret, &diag);
    gw_assert(diag_has_errors(&diag) == (err != 0));
    gw_assert(err != 0 || ret->count > 0);
    diag_done(&diag);
    free(text);
    return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen aside = {0}, in_place = {0};
    int err = parse(data, size, false, &aside);

    gw_assert(parse(data, size, true, &in_place) == err);
    gw_assert(aside.sum == in_place.sum && aside.count == in_place.count);
    return 0;
}
