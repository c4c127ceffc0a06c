/* What a vfork child maps is its parent's, too. */
/* expect: exit 0 */
/* recording: stops */
#include "victim.h"

#include <sys/wait.h>

#define LENGTH 3000000 /* too large for what malloc has at hand */

static char *volatile made;

int main(void) {
    puts("before");
    fflush(stdout);
    pid_t child = vfork();
    if (child == 0) {
        made = malloc(LENGTH);
        made[0] = 1;
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, NULL, 0) == child);
    memset(made + 1, 2, LENGTH - 1);
    CHECK(made[0] == 1);
    puts("after");
    return 0;
}
