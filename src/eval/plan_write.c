/* plan_write.c -- plans as text: one line per live node, the order of evaluation. */
#include "eval/plan_int.h"

#include "base/number.h"

static const char *const operation_names[] = {
#define P(id, name) name,
    PLAN_OPERATIONS(P)
#undef P
};

/* A dotted path from the rows: person.name, xEvent[].productListItems[].SKU, identityMap{}. */
void plan_write_column(const plan *p, uint32_t column, mu_buf *buf)
{
    const plan_column *at = &p->columns[column];
    if (at->role == COLUMN_FIELD) {
        if (at->parent != 0) {
            plan_write_column(p, at->parent, buf);
            mu_buf_add_char(buf, '.');
        }
        mu_buf_add_str(buf, at->name);
    } else if (at->level != 0) {
        plan_write_column(p, p->levels[at->level].column, buf);
        mu_buf_add_str(buf, at->role == COLUMN_KEY                  ? MU_STR("{key}")
                            : p->levels[at->level].key != NO_COLUMN ? MU_STR("{}")
                                                                    : MU_STR("[]"));
    }
}

static void write_level(const plan *p, uint32_t level, mu_buf *buf)
{
    if (level == 0)
        MU_BUF_ADD(buf, "rows");
    else
        plan_write_column(p, p->levels[level].item, buf);
}

static void write_double(mu_buf *buf, double value)
{
    char text[MU_NUMBER_MAX];
    if (!__builtin_isfinite(value)) {
        mu_buf_add_str(buf, value < 0 ? MU_STR("-inf") : MU_STR("inf"));
        return;
    }
    mu_buf_add(buf, text, mu_format_double(value, text));
}

static void write_integer_bound(mu_buf *buf, int64_t value)
{
    if (value == INT64_MIN || value == INT64_MAX)
        mu_buf_add_str(buf, value < 0 ? MU_STR("-inf") : MU_STR("inf"));
    else
        mu_buf_add_format(buf, "%lld", (long long)value);
}

static void write_double_bounds(const plan_node *node, mu_buf *buf)
{
    MU_BUF_ADD(buf, " in [");
    write_double(buf, node->dlo);
    MU_BUF_ADD(buf, ", ");
    write_double(buf, node->dhi);
    mu_buf_add_char(buf, ']');
}

static bool reads_column(const plan_node *node)
{
    switch (node->operation) {
    case PLAN_SUM:
    case PLAN_LEAST:
    case PLAN_GREATEST:
    case PLAN_PICK:
    case PLAN_BEST:
        return node->n_inputs == 1;
    case PLAN_VALID:
    case PLAN_TRUE_BITS:
    case PLAN_RANGE:
    case PLAN_DOUBLE_RANGE:
    case PLAN_TABLE:
    case PLAN_TEXT_COMPARE:
    case PLAN_LOAD:
    case PLAN_DISTINCT_COUNT:
    case PLAN_GROUP_SIZE:
    case PLAN_COMPARE_OWNER:
        return true;
    default:
        return false;
    }
}

static void write_details(const plan *p, const plan_node *node, mu_buf *buf)
{
    switch (node->operation) {
    case PLAN_CONSTANT:
        if (node->kind == VECTOR_BITS)
            mu_buf_add_str(buf, node->flag ? MU_STR(" true") : MU_STR(" false"));
        else if (!node->flag)
            MU_BUF_ADD(buf, " null");
        else if (node->kind == VECTOR_INTEGER)
            mu_buf_add_format(buf, " %lld", (long long)node->lo);
        else {
            mu_buf_add_char(buf, ' ');
            write_double(buf, node->dlo);
        }
        break;
    case PLAN_RANGE:
    case PLAN_IN_RANGE:
        if (node->operation == PLAN_IN_RANGE && p->nodes[node->inputs[0]].kind == VECTOR_DOUBLE) {
            write_double_bounds(node, buf);
            break;
        }
        MU_BUF_ADD(buf, " in [");
        write_integer_bound(buf, node->lo);
        MU_BUF_ADD(buf, ", ");
        write_integer_bound(buf, node->hi);
        mu_buf_add_char(buf, ']');
        break;
    case PLAN_DOUBLE_RANGE:
        write_double_bounds(node, buf);
        break;
    case PLAN_TABLE:
        MU_BUF_ADD(buf, ": ");
        mu_pql_write_text(buf, node->table->expression);
        break;
    case PLAN_TEXT_COMPARE:
        mu_buf_add_format(buf, " " MU_STR_FMT " ",
                          MU_STR_ARG(mu_pql_function_of(node->function)->name));
        plan_write_column(p, node->column2, buf);
        break;
    case PLAN_COMPARE:
    case PLAN_COMPARE_OWNER:
    case PLAN_ARITHMETIC:
        mu_buf_add_format(buf, " " MU_STR_FMT,
                          MU_STR_ARG(mu_pql_function_of(node->function)->name));
        break;
    case PLAN_BEST:
        mu_buf_add_format(buf, " %lld %s", (long long)node->lo,
                          node->flag ? "largest" : "smallest");
        break;
    case PLAN_MEMBER:
        mu_buf_add_format(buf, " audience %lld", (long long)node->lo);
        break;
    case PLAN_KNOWN:
        mu_buf_add_format(buf, " membership %lld", (long long)node->lo);
        break;
    case PLAN_CHAIN:
        mu_buf_add_format(buf, " of %u", node->chain->n_elements);
        break;
    case PLAN_GROUP_SIZE:
        mu_buf_add_str(buf, node->flag ? MU_STR(" largest") : MU_STR(" smallest"));
        break;
    case PLAN_RELATED:
        mu_buf_add_format(buf, " %u%s", node->related->n_elements,
                          node->related->in_time_order ? " in time order" : "");
        break;
    case PLAN_REFERENCE:
        MU_BUF_ADD(buf, " row by row: ");
        mu_pql_write_text(buf, node->query);
        break;
    default:
        break;
    }
}

void plan_write(const plan *p, mu_buf *buf)
{
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        const plan_node *node = &p->nodes[i];
        if (node->n_uses == 0)
            continue;
        mu_buf_add_format(buf, "#%u %s", i, operation_names[node->operation]);
        if (reads_column(node)) {
            mu_buf_add_char(buf, ' ');
            plan_write_column(p, node->column, buf);
        }
        write_details(p, node, buf);
        for (uint32_t k = 0; k < node->n_inputs; k++)
            mu_buf_add_format(buf, " #%u", node->inputs[k]);
        MU_BUF_ADD(buf, "  -- ");
        write_level(p, node->level, buf);
        if (node->n_uses > 1)
            mu_buf_add_format(buf, ", %u uses", node->n_uses);
        mu_buf_add_char(buf, '\n');
    }
}
