/* SPDX-License-Identifier: Apache-2.0
 *
 * libyaml's events become nodes. Called by config for the one configuration file, on the
 * control thread. Owns nothing: nodes live in the caller's arena. Must never call itself:
 * the nesting is a stack of fixed size.
 */
#include "conf/yaml.h"

#include <yaml.h>

#include "base/limits.h"
#include "base/map.h"
#include "conf/mem.h"

/* A collection that is open. */
struct frame {
    struct yaml_node *node;
    struct yaml_node *last; /* child */
    struct yaml_node *key;  /* read, its value not yet */
    struct map seen;        /* keys of a map */
};

struct builder {
    yaml_parser_t parser;
    const char *file;
    struct arena *arena;
    struct diag *diag;
    struct yaml_node *root;
    struct frame frames[YAML_DEPTH_MAX];
    size_t depth;
    size_t node_count;
    bool has_document;
};

#define MARK_LINE(mark) ((int)(mark).line + 1)
#define MARK_COLUMN(mark) ((int)(mark).column + 1)

static int
refuse(struct builder *b, yaml_mark_t at, const char *text)
{
    diag_error(b->diag, b->file, MARK_LINE(at), MARK_COLUMN(at), "%s", text);
    return GW_E_CONFIG;
}

static bool
is_null_text(struct str text)
{
    return text.len == 0 || str_eq(text, STR("~")) || str_eq(text, STR("null"));
}

/* ---- nodes ---- */

static int
node_new(struct builder *b, enum yaml_kind kind, yaml_mark_t at, struct yaml_node **ret)
{
    struct yaml_node *node;

    if (++b->node_count > YAML_NODES_MAX) {
        diag_error(b->diag, b->file, MARK_LINE(at), MARK_COLUMN(at),
                   "more than %d values in one file", YAML_NODES_MAX);
        return GW_E_CONFIG;
    }
    node = conf_calloc(b->arena, 1, sizeof(*node));
    node->kind = kind;
    node->line = MARK_LINE(at);
    node->column = MARK_COLUMN(at);
    *ret = node;
    return 0;
}

static void
append(struct frame *frame, struct yaml_node *node)
{
    if (frame->last != NULL)
        frame->last->next = node;
    else
        frame->node->first = node;
    frame->last = node;
    frame->node->count++;
}

/* The second of two equal keys stays out of the tree. */
static void
attach_value(struct builder *b, struct frame *frame, struct yaml_node *node)
{
    struct yaml_node *key = frame->key;
    const struct yaml_node *earlier = map_get(&frame->seen, key->text);

    frame->key = NULL;
    node->key = key;
    if (earlier != NULL) {
        diag_error(b->diag, b->file, key->line, key->column,
                   "duplicate key \"%.64s\"; it already stands in line %d", key->text.ptr,
                   earlier->line);
        return;
    }
    gw_assert(map_put(&frame->seen, key->text, key) == 0);
    append(frame, node);
}

static int
take_key(struct builder *b, struct frame *frame, struct yaml_node *node, yaml_mark_t at)
{
    if (node->kind == YAML_BROKEN)
        return refuse(b, at, "a key must be plain text");
    if (node->kind != YAML_SCALAR)
        return refuse(b, at, "a key must be text, not a list or a map");
    if (!node->is_quoted && str_eq(node->text, STR("<<")))
        return refuse(b, at, "merge keys are not accepted; write the values out");
    if (memchr(node->text.ptr, '\0', node->text.len) != NULL)
        return refuse(b, at, "a key must not contain a NUL character");
    frame->key = node;
    return 0;
}

static int
attach(struct builder *b, struct yaml_node *node, yaml_mark_t at)
{
    struct frame *frame = b->depth > 0 ? &b->frames[b->depth - 1] : NULL;

    if (frame == NULL) {
        b->root = node;
        return 0;
    }
    if (frame->node->kind == YAML_LIST) {
        append(frame, node);
        return 0;
    }
    if (frame->key == NULL)
        return take_key(b, frame, node, at);
    attach_value(b, frame, node);
    return 0;
}

/* ---- events ---- */

/* Anchors and tags are refused without giving up the tree. */
static void
look_at_properties(struct builder *b, const yaml_char_t *anchor, const yaml_char_t *tag,
                   yaml_mark_t at)
{
    if (anchor != NULL)
        (void)refuse(b, at, "anchors are not accepted; write the value out where it is needed");
    if (tag != NULL)
        (void)refuse(b, at, "tags are not accepted; the type of every key is known");
}

static int
on_scalar(struct builder *b, const yaml_event_t *event)
{
    struct str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    yaml_mark_t at = event->start_mark;
    struct yaml_node *node;
    int err;

    look_at_properties(b, event->data.scalar.anchor, event->data.scalar.tag, at);
    if (text.len > YAML_SCALAR_BYTES_MAX) {
        diag_error(b->diag, b->file, MARK_LINE(at), MARK_COLUMN(at),
                   "a value of %zu bytes; at most %d are accepted", text.len,
                   YAML_SCALAR_BYTES_MAX);
        return GW_E_CONFIG;
    }
    err = node_new(b, YAML_SCALAR, at, &node);
    if (err != 0)
        return err;
    node->text = conf_str(b->arena, text);
    node->is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->is_null = !node->is_quoted && is_null_text(text);
    return attach(b, node, at);
}

static int
on_alias(struct builder *b, const yaml_event_t *event)
{
    struct yaml_node *node;
    int err;

    (void)refuse(b, event->start_mark, "aliases are not accepted; write the value out");
    err = node_new(b, YAML_BROKEN, event->start_mark, &node);
    return err != 0 ? err : attach(b, node, event->start_mark);
}

static int
on_open(struct builder *b, const yaml_event_t *event, enum yaml_kind kind)
{
    struct yaml_node *node;
    struct frame *frame;
    int err;

    if (kind == YAML_LIST)
        look_at_properties(b, event->data.sequence_start.anchor, event->data.sequence_start.tag,
                           event->start_mark);
    else
        look_at_properties(b, event->data.mapping_start.anchor, event->data.mapping_start.tag,
                           event->start_mark);
    if (b->depth == YAML_DEPTH_MAX)
        return refuse(b, event->start_mark, "nested too deep");
    err = node_new(b, kind, event->start_mark, &node);
    if (err == 0)
        err = attach(b, node, event->start_mark);
    if (err != 0)
        return err;
    frame = &b->frames[b->depth++];
    *frame = (struct frame){.node = node};
    map_init(&frame->seen, YAML_NODES_MAX);
    return 0;
}

static void
on_close(struct builder *b)
{
    gw_assert(b->depth > 0);
    map_done(&b->frames[--b->depth].seen);
}

static int
on_document(struct builder *b, const yaml_event_t *event)
{
    if (event->data.document_start.version_directive != NULL ||
        event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end)
        return refuse(b, event->start_mark,
                      "directives (lines that begin with %) are not accepted");
    if (b->has_document)
        return refuse(b, event->start_mark, "a second document begins; only one is accepted");
    b->has_document = true;
    return 0;
}

static int
on_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return on_document(b, event);
    case YAML_ALIAS_EVENT:
        return on_alias(b, event);
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(b, event, YAML_LIST);
    case YAML_MAPPING_START_EVENT:
        return on_open(b, event, YAML_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        on_close(b);
        return 0;
    default:
        return 0;
    }
}

/* ---- libyaml's own errors ---- */

/* The reader knows a byte offset only. */
static void
report_encoding(struct builder *b, struct str text)
{
    int line = 1;
    int column = 1;

    for (size_t i = 0; i < text.len && i < b->parser.problem_offset; i++) {
        if (text.ptr[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)text.ptr[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    diag_error(b->diag, b->file, line, column, "not text in UTF-8: %s", b->parser.problem);
}

static bool
stands_on_tab(struct str text, yaml_mark_t at)
{
    return at.index < text.len && text.ptr[at.index] == '\t';
}

/* What a writer did, in place of what the parser was doing. "" when that is plain enough. */
static const char *
syntax_hint(const char *problem)
{
    static const struct {
        const char *problem, *hint;
    } hints[] = {
        {"mapping values are not allowed in this context",
         "; this key stands where none may: look for a missing \": \" in the line above, and "
         "compare "
         "the indentation with its neighbours"},
        {"did not find expected key",
         "; this line is indented otherwise than the keys above it that it belongs to"},
        {"did not find expected '-' indicator",
         "; a further entry of the list begins with \"- \", below the one before"},
        {"could not find expected ':'", "; a key ends with \": \" before its value"},
        {"block sequence entries are not allowed in this context",
         "; a list entry begins on a line of its own, below the key"},
        {"found character that cannot start any token",
         "; put a value that begins with this character in quotes"},
        {"found unexpected end of stream", "; a quote is opened and not closed"},
    };

    for (size_t i = 0; i < array_len(hints); i++)
        if (strcmp(hints[i].problem, problem) == 0)
            return hints[i].hint;
    return "";
}

static void
report_syntax(struct builder *b, struct str text)
{
    const yaml_parser_t *p = &b->parser;
    int line = MARK_LINE(p->problem_mark);
    int column = MARK_COLUMN(p->problem_mark);

    if (p->error == YAML_MEMORY_ERROR)
        diag_error(b->diag, b->file, 0, 0, "no memory to read it");
    else if (p->error == YAML_READER_ERROR)
        report_encoding(b, text);
    else if (stands_on_tab(text, p->problem_mark))
        diag_error(b->diag, b->file, line, column, "a tab cannot indent; use spaces");
    else if (p->context != NULL && p->context_mark.line != p->problem_mark.line)
        diag_error(b->diag, b->file, line, column, "not YAML: %s (%s that begins in line %d)%s",
                   p->problem, p->context, MARK_LINE(p->context_mark), syntax_hint(p->problem));
    else
        diag_error(b->diag, b->file, line, column, "not YAML: %s%s", p->problem,
                   syntax_hint(p->problem));
}

/* ---- the parse ---- */

static int
run(struct builder *b, struct str text)
{
    int err = 0;
    bool is_over = false;

    while (err == 0 && !is_over) {
        yaml_event_t event;

        if (!yaml_parser_parse(&b->parser, &event)) {
            report_syntax(b, text);
            return GW_E_CONFIG;
        }
        is_over = event.type == YAML_STREAM_END_EVENT;
        err = on_event(b, &event);
        yaml_event_delete(&event);
    }
    return err;
}

int
yaml_parse(struct str text, const char *file, struct arena *arena, struct diag *diag,
           struct yaml_node **ret)
{
    struct builder b = {.file = file, .arena = arena, .diag = diag};
    int err = yaml_scan(text, file, diag);

    if (err != 0)
        return err;
    gw_assert(yaml_parser_initialize(&b.parser) != 0);
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text.ptr, text.len);
    err = run(&b, text);
    while (b.depth > 0)
        on_close(&b);
    yaml_parser_delete(&b.parser);
    if (err == 0 && (b.root == NULL || b.root->is_null))
        err = node_new(&b, YAML_MAP, (yaml_mark_t){0}, &b.root);
    if (err == 0)
        *ret = b.root;
    return err;
}

const struct yaml_node *
yaml_get(const struct yaml_node *map, struct str key)
{
    if (map == NULL || map->kind != YAML_MAP)
        return NULL;
    for (const struct yaml_node *n = map->first; n != NULL; n = n->next)
        if (str_eq(n->key->text, key))
            return n;
    return NULL;
}
