/* A failed assertion prints its message and aborts. */
/* expect: signal SIGABRT */
#include "victim.h"
#include <assert.h>

int main(void) {
    fprintf(stderr, "pid %d\n", (int)getpid());
    assert(getpid() == 0);
    return 0;
}
