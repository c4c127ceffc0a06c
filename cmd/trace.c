#include "cmd/verb.h"
const struct verb verb_trace = {.name = "trace"};
