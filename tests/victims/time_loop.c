/* Two thousand readings of each of three clocks, hashed and never running backwards. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/time.h>
#include <time.h>

int main(void) {
    static struct timespec steady[2000];
    static struct timeval wall[2000];
    for (int i = 0; i < 2000; i++) {
        CHECK(clock_gettime(CLOCK_MONOTONIC, &steady[i]) == 0);
        CHECK(gettimeofday(&wall[i], NULL) == 0);
        (void)time(NULL);
        if (i > 0)
            CHECK(steady[i].tv_sec > steady[i - 1].tv_sec ||
                  (steady[i].tv_sec == steady[i - 1].tv_sec && steady[i].tv_nsec >= steady[i - 1].tv_nsec));
    }
    printf("%016lx %016lx\n", (unsigned long)hash_bytes(steady, sizeof steady),
           (unsigned long)hash_bytes(wall, sizeof wall));
    printf("%ld.%09ld to %ld.%09ld\n", (long)steady[0].tv_sec, steady[0].tv_nsec, (long)steady[1999].tv_sec,
           steady[1999].tv_nsec);
    return 0;
}
