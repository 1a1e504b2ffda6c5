/* explanation.c -- why a profile is in or out, drawn as a tree for people. */
#include "app/rule_int.h"
#include "base/utf8.h"

/* A longer text of a node is cut: its children tell the rest. */
#define TEXT_MAX  72
#define DEPTH_MAX MU_PQL_DEPTH_MAX

static void add_text(mu_buf *buf, mu_str text)
{
    size_t at = 0, n = 0;
    while (at < text.len && n < TEXT_MAX) {
        mu_utf8_next(text, &at);
        n++;
    }
    mu_buf_add(buf, text.ptr, at);
    if (at < text.len)
        MU_BUF_ADD(buf, "…");
}

/* "true", "17.5", "3 items", or for a test on items "true for 2 of 5". */
static void add_value(mu_buf *buf, const mu_json *node)
{
    const mu_json *value = mu_json_member(node, MU_STR("value"));
    const mu_json *size = mu_json_member(node, MU_STR("size"));
    const mu_json *true_for = mu_json_member(node, MU_STR("trueFor"));
    const mu_json *of = mu_json_member(node, MU_STR("of"));
    if (value != NULL) {
        mu_json_writer writer;
        mu_json_writer_init(&writer, buf);
        mu_json_value(&writer, value);
    } else if (size != NULL) {
        mu_buf_add_format(buf, "%lld items", (long long)size->integer);
    } else if (true_for != NULL && of != NULL) {
        mu_buf_add_format(buf, "true for %lld of %lld", (long long)true_for->integer,
                          (long long)of->integer);
    }
}

typedef struct drawing {
    mu_buf *buf;
    mu_buf indent; /* what stands left of the children of the node being drawn */
} drawing;

/* A node that tells nothing: a literal, whose text is its value; the object that a field is part
 * of; and what is no test and was looked at for many items. */
static bool is_silent(const mu_json *node)
{
    mu_str kind = mu_json_member_string(node, MU_STR("kind"), MU_STR(""));
    mu_str type = mu_json_member_string(node, MU_STR("type"), MU_STR(""));
    bool is_test = mu_json_member(node, MU_STR("children")) != NULL;
    return mu_str_equal(kind, MU_STR("literal")) || mu_str_equal(kind, MU_STR("timeWord")) ||
           mu_str_equal(type, MU_STR("object")) ||
           (!is_test && mu_json_member(node, MU_STR("trueFor")) != NULL);
}

static void draw_node(drawing *d, const mu_json *node, uint32_t depth);

static void draw_children(drawing *d, const mu_json *children, uint32_t depth)
{
    uint32_t last = UINT32_MAX;
    for (uint32_t i = 0; i < children->n; i++)
        if (!is_silent(&children->items[i]))
            last = i;
    for (uint32_t i = 0; i < children->n; i++) {
        if (is_silent(&children->items[i]))
            continue;
        size_t length = d->indent.len;
        mu_buf_add_str(d->buf, mu_buf_str(&d->indent));
        mu_buf_add_str(d->buf, i == last ? MU_STR("└─ ") : MU_STR("├─ "));
        mu_buf_add_str(&d->indent, i == last ? MU_STR("   ") : MU_STR("│  "));
        draw_node(d, &children->items[i], depth + 1);
        d->indent.len = length;
    }
}

static void draw_node(drawing *d, const mu_json *node, uint32_t depth)
{
    const mu_json *children = mu_json_member(node, MU_STR("children"));
    add_text(d->buf, mu_json_member_string(node, MU_STR("text"), MU_STR("?")));
    MU_BUF_ADD(d->buf, "  → ");
    add_value(d->buf, node);
    mu_buf_add_char(d->buf, '\n');
    if (children != NULL && children->kind == MU_JSON_ARRAY && depth < DEPTH_MAX)
        draw_children(d, children, depth);
}

static void draw_witnesses(mu_buf *buf, const mu_json *witnesses)
{
    if (witnesses == NULL || witnesses->kind != MU_JSON_ARRAY || witnesses->n == 0)
        return;
    MU_BUF_ADD(buf, "because of\n");
    for (uint32_t i = 0; i < witnesses->n; i++) {
        const mu_json *event = &witnesses->items[i];
        mu_str time = mu_json_member_string(event, MU_STR("timestamp"), MU_STR("at no time"));
        mu_str type = mu_json_member_string(event, MU_STR("eventType"), MU_STR("an event"));
        mu_str id = mu_json_member_string(event, MU_STR("_id"), MU_STR(""));
        mu_buf_add_format(buf, "  " MU_STR_FMT "  " MU_STR_FMT "  " MU_STR_FMT "\n",
                          MU_STR_ARG(time), MU_STR_ARG(type), MU_STR_ARG(id));
    }
}

void mu_explanation_draw(mu_buf *buf, const mu_json *explanation)
{
    const mu_json *member = mu_json_member(explanation, MU_STR("member"));
    const mu_json *rule = mu_json_member(explanation, MU_STR("rule"));
    const mu_json *guards = mu_json_member(explanation, MU_STR("guards"));
    mu_str identity = mu_json_member_string(explanation, MU_STR("identity"), MU_STR("the profile"));
    mu_str now = mu_json_member_string(explanation, MU_STR("now"), MU_STR("?"));
    bool is_member = member != NULL && member->kind == MU_JSON_BOOLEAN && member->boolean;
    mu_buf_add_format(buf, MU_STR_FMT " is %s at " MU_STR_FMT "\n", MU_STR_ARG(identity),
                      is_member ? "a member" : "no member", MU_STR_ARG(now));
    for (uint32_t i = 0; guards != NULL && guards->kind == MU_JSON_ARRAY && i < guards->n; i++)
        mu_buf_add_format(buf, "the guard " MU_STR_FMT " tripped\n",
                          MU_STR_ARG(guards->items[i].string));
    if (rule != NULL) {
        drawing d = {.buf = buf};
        mu_buf_init(&d.indent, SIZE_MAX);
        draw_node(&d, rule, 0);
        mu_buf_free(&d.indent);
    }
    draw_witnesses(buf, mu_json_member(explanation, MU_STR("witnesses")));
}
