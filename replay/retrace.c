#include "replay/retrace.h"
struct error *retrace_run(const char *path, const struct trace_options *options, int *ret_status) {
    (void)path; (void)options; (void)ret_status;
    return error_new(ERROR_UNSUPPORTED, "soon");
}
