#include "app/kafka_options.h"

typedef struct named_value {
    mu_str name, value;
} named_value;

static uint32_t count_items(mu_str list)
{
    uint32_t n = 1;
    for (size_t i = 0; i < list.len; i++)
        n += list.ptr[i] == ',';
    return n;
}

/* "a=1,b=2" */
static mu_code read_list(mu_arena *arena, mu_str list, const char *option, uint32_t *n,
                         named_value **out, mu_err *err)
{
    *n = 0;
    *out = MU_NEW_ARRAY(arena, named_value, count_items(list));
    while (list.len > 0) {
        const char *comma = memchr(list.ptr, ',', list.len);
        size_t length = comma == NULL ? list.len : (size_t)(comma - list.ptr);
        const char *equals = memchr(list.ptr, '=', length);
        size_t name = equals == NULL ? 0 : (size_t)(equals - list.ptr);
        if (name == 0 || name + 1 == length)
            return mu_fail(err, MU_E_INPUT, "--%s wants NAME=VALUE,NAME=VALUE", option);
        (*out)[(*n)++] = (named_value){{list.ptr, name}, {equals + 1, length - name - 1}};
        size_t step = length + (comma != NULL);
        list = (mu_str){list.ptr + step, list.len - step};
    }
    return MU_OK;
}

mu_code mu_kafka_options_read(mu_arena *arena, const mu_options *options, mu_api_options *out,
                              mu_err *err)
{
    mu_str topics = mu_str_from(mu_option_text(options, MU_OPTION_KAFKA_TOPICS, ""));
    mu_str settings = mu_str_from(mu_option_text(options, MU_OPTION_KAFKA_SETTINGS, ""));
    named_value *list;
    uint32_t n;
    out->kafka_brokers = mu_str_from(mu_option_text(options, MU_OPTION_KAFKA_BROKERS, ""));
    if ((out->kafka_brokers.len > 0) != (topics.len > 0))
        return mu_fail(err, MU_E_INPUT, "--kafka-brokers and --kafka-topics go together");
    MU_TRY(read_list(arena, topics, "kafka-topics", &n, &list, err));
    mu_kafka_topic *names = MU_NEW_ARRAY(arena, mu_kafka_topic, n);
    for (uint32_t i = 0; i < n; i++)
        names[i] = (mu_kafka_topic){list[i].name, list[i].value};
    out->kafka_topics = names;
    out->n_kafka_topics = n;
    MU_TRY(read_list(arena, settings, "kafka-settings", &n, &list, err));
    mu_kafka_setting *pairs = MU_NEW_ARRAY(arena, mu_kafka_setting, n);
    for (uint32_t i = 0; i < n; i++)
        pairs[i] = (mu_kafka_setting){list[i].name, list[i].value};
    out->kafka_settings = pairs;
    out->n_kafka_settings = n;
    return MU_OK;
}
