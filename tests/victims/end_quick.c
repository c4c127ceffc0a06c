/* quick_exit runs only its own handlers and does not flush. */
/* expect: exit 11 */
#include "victim.h"

static void quick(void) {
    dprintf(1, "quick %d\n", (int)getpid());
}

static void slow(void) {
    dprintf(1, "must not run\n");
}

int main(void) {
    CHECK(atexit(slow) == 0 && at_quick_exit(quick) == 0);
    printf("buffered and lost\n");
    quick_exit(11);
}
