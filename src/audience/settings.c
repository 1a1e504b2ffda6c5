#include "audience/settings.h"

#include "base/number.h"

#include <stddef.h>
#include <strings.h>

typedef enum setting_kind { FLAG, NUMBER } setting_kind;

static const struct setting {
    const char *name;
    setting_kind kind;
    size_t offset;
    int64_t otherwise, least, most;
    const char *help;
} settings[] = {
#define SETTING(member, name, kind, otherwise, least, most, help)                                  \
    {name, kind, offsetof(mu_audience_settings, member), otherwise, least, most, help},
#include "audience/settings.def"
#undef SETTING
};

static int64_t *place_of(mu_audience_settings *all, const struct setting *setting)
{
    return (int64_t *)((char *)all + setting->offset);
}

mu_audience_settings mu_audience_settings_default(void)
{
    mu_audience_settings all;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        *place_of(&all, &settings[i]) = settings[i].otherwise;
    return all;
}

void mu_audience_settings_list(void (*line)(void *context, const char *name, int64_t otherwise,
                                            const char *help),
                               void *context)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        line(context, settings[i].name, settings[i].otherwise, settings[i].help);
}

static const struct setting *find_setting(mu_str name)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (mu_str_equal(name, mu_str_from(settings[i].name)))
            return &settings[i];
    return NULL;
}

static bool parse_value(const struct setting *setting, mu_str text, int64_t *out)
{
    if (setting->kind == FLAG && mu_str_equal(text, MU_STR("true")))
        *out = 1;
    else if (setting->kind == FLAG && mu_str_equal(text, MU_STR("false")))
        *out = 0;
    else if (!mu_parse_integer(text, out))
        return false;
    return *out >= setting->least && *out <= setting->most;
}

static mu_code parse_one(mu_str item, mu_audience_settings *all, mu_err *err)
{
    size_t equals = 0;
    while (equals < item.len && item.ptr[equals] != '=')
        equals++;
    mu_str name = mu_str_trim((mu_str){item.ptr, equals});
    const struct setting *setting = find_setting(name);
    if (setting == NULL)
        return mu_fail(err, MU_E_INPUT, "there is no setting \"" MU_STR_FMT "\"", MU_STR_ARG(name));
    int64_t value;
    if (equals == item.len ||
        !parse_value(setting, mu_str_trim((mu_str){item.ptr + equals + 1, item.len - equals - 1}),
                     &value))
        return mu_fail(err, MU_E_INPUT, "the setting %s takes %s from %lld to %lld", setting->name,
                       setting->kind == FLAG ? "true or false, or" : "a number",
                       (long long)setting->least, (long long)setting->most);
    *place_of(all, setting) = value;
    return MU_OK;
}

mu_code mu_audience_settings_parse(mu_str text, mu_audience_settings *all, mu_err *err)
{
    mu_audience_settings changed = *all;
    while (text.len > 0) {
        size_t comma = 0;
        while (comma < text.len && text.ptr[comma] != ',')
            comma++;
        MU_TRY(parse_one((mu_str){text.ptr, comma}, &changed, err));
        size_t used = comma < text.len ? comma + 1 : comma;
        text = (mu_str){text.ptr + used, text.len - used};
    }
    *all = changed;
    return MU_OK;
}
