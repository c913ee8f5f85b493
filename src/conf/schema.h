/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of all keys (schema.def): where a key may stand, its type, range, default, where
 * its value goes, and one line of words. The reader walks it, and the complete example file
 * is printed from it, so neither can forget a key.
 */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include "base/base.h"
#include "base/str.h"

/* A map that may stand somewhere in the file. */
enum schema_section {
    SECTION_ROOT,
    SECTION_RUN_AS,
    SECTION_ADMIN,
    SECTION_LISTENER,
    SECTION_PROXY,
    SECTION_CERTIFICATE,
    SECTION_TLS,
    SECTION_MUTUAL,
    SECTION_HOST,
    SECTION_RULE,
    SECTION_WHEN,
    SECTION_WHEN_HEADER,
    SECTION_WHEN_CERT,
    SECTION_REWRITE,
    SECTION_REWRITE_PATH,
    SECTION_ACTION,
    SECTION_DEFAULT_ACTION,
    SECTION_FORWARD,
    SECTION_FIXED_RESPONSE,
    SECTION_REDIRECT,
    SECTION_TRUST_STORE,
    SECTION_CRL,
    SECTION_EXCEPTION,
    SECTION_TARGET_GROUP,
    SECTION_UPSTREAM_TLS,
    SECTION_HEALTH_CHECK,
    SECTION_LOGGING,
    SECTION_LOG,
    SECTION_COUNT
};

/* What a value is. Each has one reader function (reader.c). */
enum schema_type {
    TYPE_MAP,        /* section sub, in place */
    TYPE_MAP_LIST,   /* list of section sub */
    TYPE_NAMED_MAPS, /* map from a name to section sub */
    TYPE_BOOL,
    TYPE_INT,      /* int64_t in min..max */
    TYPE_DURATION, /* int64_t milliseconds in min..max */
    TYPE_CHOICE,   /* int of choices; -1 when invalid */
    TYPE_TEXT,     /* at most max bytes */
    TYPE_NAME,     /* letters, digits, '-', '_', '.' */
    TYPE_PATH,     /* resolved */
    TYPE_WORKERS,
    TYPE_ADDRESS,   /* address:port */
    TYPE_ADDRESSES, /* one or a list */
    TYPE_CIDRS,
    TYPE_PROTOCOLS,
    TYPE_DIGESTS, /* SHA-256 in hex */
    TYPE_SERIALS, /* serial numbers in hex */
    TYPE_IPS,     /* addresses as text */
    TYPE_OIDS,
    TYPE_TEXTS,      /* any printable text, '*' and '?' are wildcards */
    TYPE_CERT_TEXTS, /* the same in UTF-8, longer */
    TYPE_PATHS,
    TYPE_HOSTS,      /* patterns */
    TYPE_HOST_NAMES, /* server names; a leading "*." for one label */
    TYPE_METHODS,
    TYPE_VPC_ENDPOINTS,
    TYPE_HEADER_NAME,
    TYPE_HEADERS, /* one map or a list of maps of section sub */
    TYPE_ACTION,
    TYPE_FORWARD,
    TYPE_FIXED_RESPONSE,
    TYPE_DENY,
    TYPE_STATUS,
    TYPE_BODY,
    TYPE_ATTRIBUTES,
    TYPE_CRLS, /* paths, URLs, or maps of section sub */
    TYPE_CRL_URL,
    TYPE_SIZE,     /* int64_t bytes in min..max */
    TYPE_DIGEST,   /* one SHA-256 in hex */
    TYPE_DN,       /* a name of RFC 2253 */
    TYPE_TIME,     /* RFC 3339: seconds since the epoch */
    TYPE_HANDOVER, /* bits of enum handover_header */
    TYPE_CA_BUNDLE,
    TYPE_TARGETS,
    TYPE_HOST_HEADER,
    TYPE_SERVER_NAME,
    TYPE_LOG_PATH,
    TYPE_COUNT
};

struct schema_choice {
    const char *text; /* NULL ends the list */
    int value;
    bool is_later; /* not available yet */
};

#define SCHEMA_NO_FIELD SIZE_MAX

struct schema_key {
    enum schema_section section;
    const char *name;
    enum schema_type type;
    size_t offset;       /* of the value in the section's struct; SCHEMA_NO_FIELD */
    size_t count_offset; /* of a list's length */
    size_t pos_offset;   /* of the position of the value; 0: not kept */
    enum schema_section sub;
    const struct schema_choice *choices;
    int64_t min, max;
    bool is_required;
    bool is_later;       /* not available yet: typed, then refused by name */
    bool is_alternative; /* the example shows it as a comment: it excludes its neighbours */
    const char *preset;  /* default, in the words of the file; NULL: none */
    const char *unset;   /* what happens without a value, when there is no preset */
    const char *example; /* value in the complete example; the preset when NULL */
    const char *doc;
};

struct schema_struct {
    size_t size;
    size_t pos_offset;  /* of the map's own position; 0: not kept */
    size_t name_offset; /* SECTIONs of TYPE_NAMED_MAPS: where the name goes */
    bool needs_keys;    /* an empty map would mean "any": refused */
};

/* All rows; those of a section are neighbours, in the order of the example. */
extern const struct schema_key schema_keys[];
extern const size_t schema_key_count;
extern const struct schema_struct schema_structs[SECTION_COUNT];

/* The first row of a section. */
const struct schema_key *schema_first(enum schema_section section);
/* The row after key in its section, or NULL. */
const struct schema_key *schema_next(const struct schema_key *key);
/* NULL when the section has no such key. */
const struct schema_key *schema_find(enum schema_section section, struct str name);
/* Where else the key is known, when that is one place: the key of the map it belongs into, "" for
 * the top of the file. NULL when nowhere or in several. */
const char *schema_owner(struct str name);
/* The known key that looks most like name, or NULL when none does. */
const char *schema_nearest(enum schema_section section, struct str name);

#endif
