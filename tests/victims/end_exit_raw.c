/* _exit leaves at once: buffered output is lost and exit handlers do not run. */
/* expect: exit 7 */
#include "victim.h"

static void handler(void) {
    fprintf(stderr, "must not run\n");
}

int main(void) {
    CHECK(atexit(handler) == 0);
    dprintf(1, "written %d\n", (int)getpid());
    printf("buffered and lost\n");
    _exit(7);
}
