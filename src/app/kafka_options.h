/* kafka_options.h -- what the command line says of Kafka. */
#ifndef MU_APP_KAFKA_OPTIONS_H
#define MU_APP_KAFKA_OPTIONS_H

#include "api/api.h"
#include "app/app_int.h"

/* Fills the members for Kafka, in `arena`. MU_E_INPUT: topics without brokers or the reverse, or a
 * list that is not NAME=VALUE,NAME=VALUE. */
MU_CHECKED mu_code mu_kafka_options_read(mu_arena *arena, const mu_options *options,
                                         mu_api_options *out, mu_err *err);

#endif
