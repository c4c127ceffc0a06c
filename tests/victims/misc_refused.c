/* Interfaces a recorder cannot follow (io_uring, aio, userfaultfd, perf) may be refused as unimplemented. */
/* expect: exit 0 */
#include "victim.h"
#include <linux/io_uring.h>
#include <linux/perf_event.h>

static void show(const char *what, long result) {
    int error = errno;
    if (getenv("REEL_EXPECT_REFUSED") != NULL)
        printf("%s: %s\n", what, result == -1 && error == ENOSYS ? "refused" : "NOT refused");
}

int main(void) {
    struct io_uring_params parameters = {0};
    struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event, .exclude_kernel = 1};
    unsigned long context = 0;
    show("io_uring_setup", syscall(SYS_io_uring_setup, 4, &parameters));
    show("io_setup", syscall(SYS_io_setup, 4, &context));
    show("userfaultfd", syscall(SYS_userfaultfd, O_CLOEXEC));
    show("perf_event_open", syscall(SYS_perf_event_open, &event, 0, -1, -1, 0));
    return 0;
}
