/* agent_image: the agent's code, as it is embedded in reel. */
#ifndef REEL_TRACER_AGENT_IMAGE_H
#define REEL_TRACER_AGENT_IMAGE_H

#include "tracer/agent/agent_abi.h"

#include <stddef.h>

/* The image begins with a struct agent_image. Static storage. */
const struct agent_image *agent_image(size_t *ret_size);

#endif
