/* settings.h -- limits and choices of the segmentation service that an operator may change. */
#ifndef MU_AUDIENCE_SETTINGS_H
#define MU_AUDIENCE_SETTINGS_H

#include "base/str.h"

typedef struct mu_audience_settings {
#define SETTING(member, name, kind, otherwise, least, most, help) int64_t member; /* help */
#include "audience/settings.def"
#undef SETTING
} mu_audience_settings;

mu_audience_settings mu_audience_settings_default(void);

/* Changes those that "NAME=VALUE,NAME=VALUE" names; a FLAG is true, false, 1 or 0. MU_E_INPUT names
 * what is wrong. */
MU_CHECKED mu_code mu_audience_settings_parse(mu_str text, mu_audience_settings *settings,
                                              mu_err *err);

/* One line per setting, for the manual: calls `line` with name, default and help. */
void mu_audience_settings_list(void (*line)(void *context, const char *name, int64_t otherwise,
                                            const char *help),
                               void *context);

#endif
