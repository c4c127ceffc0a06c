/* A mapping that grows down by itself when it is touched below its start. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, sum = 0;
    volatile char *top = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, flags, -1, 0);
    CHECK(top != MAP_FAILED);
    for (int i = 0; i < 40; i++)
        top[-4096 * i] = (char)i;
    for (int i = 0; i < 40; i++)
        sum += top[-4096 * i];
    printf("%p %d\n", (void *)top, sum);
    return 0;
}
