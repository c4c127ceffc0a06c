/* READ_IMPLIES_EXEC makes all that is readable executable, which the calls do not say. */
/* expect: exit 0 */
/* recording: stops */
#include "victim.h"
#include <sys/personality.h>

int main(void) {
    printf("before\n");
    fflush(stdout);
    CHECK(personality(0xffffffff) >= 0);
    CHECK(personality(READ_IMPLIES_EXEC) >= 0);
    printf("after\n");
    return 0;
}
